"""What a release may say: `suppression` says it of a group, `proof` that it leaves enough open, `marts` works the release out; `audit` attacks it.

`audit` shares the declarations of `model` (which counts add up to which) with the others and no other code, so that a mistake in one
does not hide itself in the other. Plain pandas frames in and out; only `audit` and `history` read files.
"""
