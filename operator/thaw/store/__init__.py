"""The snapshot store: deduplicated, compressed chunks and manifests, on a disk or in a bucket."""
