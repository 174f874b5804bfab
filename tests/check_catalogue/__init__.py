"""Functions as students write them: wrong ones, with the cause that a check must name, and
right ones that look unlike the book's.

Each module is one kind of layer. A backward function is fed by the forward function that
its entry names, or by the one of its module's `FORWARD`.
"""
