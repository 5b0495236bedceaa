"""YouTube-8M records: framing, decoding, the video index, simulation."""
