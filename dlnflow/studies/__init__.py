"""Questions answered with the library: claims, experiments, maps of validity, the demo."""
