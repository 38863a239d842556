"""What the library costs beside bare aiohttp, a raw protocol and other clients: ratios, interleaved in one run."""
