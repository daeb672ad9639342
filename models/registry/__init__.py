"""Where models rest: versions, manifests, aliases."""
