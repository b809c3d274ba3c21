"""The probe: what one backend can really do, asked through our own dialects with a handful of small requests."""
