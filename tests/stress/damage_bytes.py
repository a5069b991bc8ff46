"""What can happen to the bytes of any file: (bytes, generator) -> bytes."""

BYTES = dict(
    empty=lambda old, rng: b'',
    cut=lambda old, rng: old[: rng.randrange(len(old))],
    random=lambda old, rng: rng.randbytes(1000),
    text=lambda old, rng: b'version https://git-lfs.github.com/spec/v1\n' * 9,
    json=lambda old, rng: b'{"state_dict": {}}',
    flipped=lambda old, rng: old[:500] + rng.randbytes(300) + old[800:],
)
