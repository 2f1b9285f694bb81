"""What a release may say: `suppress` decides what is hidden, `marts` hides it, `attack` tries to get it back.

`suppress` and `attack` share the declarations of `model` (which counts add up to which) and no other code,
so that a mistake in
one does not hide itself in the other. Plain pandas frames in and out; only `attack.audit` reads files.
"""
