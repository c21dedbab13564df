"""The CLIP under everything: backbone, adapters, and the pre-training of the demo's own."""
