"""The simulated study: pictures, captions, judgements and raw MEG, with a known ground truth."""
