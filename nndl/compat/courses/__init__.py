"""The courses' modules, one file each: what the package has already under their names,
and what only their notebooks ask for.

They have no `__all__`: a star-import brings `np` along, as it did with the originals.
"""
