"""What the notebooks of CS231n, CSE 493G1 and UCLA's C147 import and call: one row a
name.

A call is written as the notebooks write it. `oracles` gives the names in it a meaning,
and knows what must come back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: A call, and what it asks for where calls of one name ask for different things.
Call = str | tuple[str, dict[str, Any]]


class Row(NamedTuple):
    """A name, and how it is called."""

    name: str
    #: Where the courses have it.
    modules: tuple[str, ...]
    calls: tuple[Call, ...]
    #: What comes back.
    gives: str
    #: The entry of `oracles.CASES`, where it is not the name.
    case: str = ""


def _at_stanford_and_washington(*modules: str) -> tuple[str, ...]:
    return tuple(f"{c}.{module}" for module in modules for c in ("cs231n", "cse493g1"))


def _helper(module: str) -> tuple[str, ...]:
    """Return where a helper module is: UCLA's are in `utils`."""
    return (*_at_stanford_and_washington(module), f"utils.{module}")


LAYERS = (*_at_stanford_and_washington("layers"), "nndl.layers")
CONV_LAYERS = (*_at_stanford_and_washington("layers"), "nndl.conv_layers")
LAYER_UTILS = (*_at_stanford_and_washington("layer_utils"), "nndl.layer_utils")
CONV_LAYER_UTILS = (
    *_at_stanford_and_washington("layer_utils"),
    "nndl.conv_layer_utils",
)
FC_NET = _at_stanford_and_washington("classifiers.fc_net")
CNN = (*_at_stanford_and_washington("classifiers.cnn"), "nndl.cnn")
OPTIM = (*_at_stanford_and_washington("optim"), "nndl.optim")
FAST_LAYERS = _helper("fast_layers")
SOLVER = _helper("solver")
GRADIENT_CHECK = _helper("gradient_check")
DATA_UTILS = _helper("data_utils")
VIS_UTILS = _helper("vis_utils")
IM2COL = _helper("im2col")
IM2COL_CYTHON = _helper("im2col_cython")


def _forward(
    name: str, modules: tuple[str, ...], arguments: str, case: str = ""
) -> Row:
    """Return the row of a layer's forward pass, called by position and by keyword."""
    by_keyword = ", ".join(f"{argument}={argument}" for argument in arguments.split())
    calls = (f"{name}({', '.join(arguments.split())})", f"{name}({by_keyword})")
    return Row(name, modules, calls, "out, cache", case)


def _backward(name: str, modules: tuple[str, ...], gives: str, case: str = "") -> Row:
    """Return the row of a layer's backward pass."""
    calls = (f"{name}(dout, cache)", f"{name}(dout=dout, cache=cache)")
    return Row(name, modules, calls, gives, case)


_AFFINE, _BN = "x w b", "x gamma beta bn_param"
_CONV, _POOL = "x w b conv_param", "x pool_param"
_DW, _DGAMMA = "dx, dw, db", "dx, dgamma, dbeta"

ROWS: tuple[Row, ...] = (
    # ---- layers ----------------------------------------------------------------------
    _forward("affine_forward", LAYERS, _AFFINE),
    _backward("affine_backward", LAYERS, _DW),
    _forward("relu_forward", LAYERS, "x"),
    _backward("relu_backward", LAYERS, "dx"),
    _forward("batchnorm_forward", LAYERS, _BN),
    _backward("batchnorm_backward", LAYERS, _DGAMMA),
    _backward("batchnorm_backward_alt", LAYERS, _DGAMMA),
    _forward("layernorm_forward", LAYERS, "x gamma beta ln_param"),
    _backward("layernorm_backward", LAYERS, _DGAMMA),
    _forward("dropout_forward", LAYERS, "x dropout_param"),
    _backward("dropout_backward", LAYERS, "dx"),
    Row("svm_loss", LAYERS, ("svm_loss(x, y)", "svm_loss(x=x, y=y)"), "loss, dx"),
    Row(
        "softmax_loss",
        LAYERS,
        ("softmax_loss(x, y)", "softmax_loss(x=x, y=y)"),
        "loss, dx",
    ),
    _forward("conv_forward_naive", CONV_LAYERS, _CONV),
    _backward("conv_backward_naive", CONV_LAYERS, _DW),
    _forward("max_pool_forward_naive", CONV_LAYERS, _POOL),
    _backward("max_pool_backward_naive", CONV_LAYERS, "dx"),
    _forward("spatial_batchnorm_forward", CONV_LAYERS, _BN),
    _backward("spatial_batchnorm_backward", CONV_LAYERS, _DGAMMA),
    _forward("spatial_groupnorm_forward", CONV_LAYERS, "x gamma beta G gn_param"),
    _backward("spatial_groupnorm_backward", CONV_LAYERS, _DGAMMA),
    # ---- fast layers -----------------------------------------------------------------
    *(
        row
        for way in ("fast", "im2col", "strides")
        for row in (
            _forward(f"conv_forward_{way}", FAST_LAYERS, _CONV),
            _backward(f"conv_backward_{way}", FAST_LAYERS, _DW),
        )
    ),
    *(
        row
        for way in ("fast", "im2col", "reshape")
        for row in (
            _forward(f"max_pool_forward_{way}", FAST_LAYERS, _POOL),
            _backward(f"max_pool_backward_{way}", FAST_LAYERS, "dx"),
        )
    ),
    # ---- sandwiches ------------------------------------------------------------------
    _forward("affine_relu_forward", LAYER_UTILS, _AFFINE),
    _backward("affine_relu_backward", LAYER_UTILS, _DW),
    _forward("affine_bn_relu_forward", LAYER_UTILS, "x w b gamma beta bn_param"),
    _backward("affine_bn_relu_backward", LAYER_UTILS, f"{_DW}, dgamma, dbeta"),
    _forward("conv_relu_forward", CONV_LAYER_UTILS, _CONV),
    _backward("conv_relu_backward", CONV_LAYER_UTILS, _DW),
    _forward("conv_relu_pool_forward", CONV_LAYER_UTILS, f"{_CONV} pool_param"),
    _backward("conv_relu_pool_backward", CONV_LAYER_UTILS, _DW),
    _forward(
        "conv_bn_relu_forward", CONV_LAYER_UTILS, "x w b gamma beta conv_param bn_param"
    ),
    _backward("conv_bn_relu_backward", CONV_LAYER_UTILS, f"{_DW}, dgamma, dbeta"),
    # ---- networks --------------------------------------------------------------------
    Row(
        "TwoLayerNet",
        FC_NET,
        (
            "TwoLayerNet(input_dim=D, hidden_dim=H, num_classes=C, weight_scale=std)",
            "TwoLayerNet(D, H, C)",
            ("TwoLayerNet(D, H, C, 5e-2, 0.7)", {"reg": 0.7}),
            ("TwoLayerNet(3072, 50, 10)", {"sizes": (3072, 50, 10)}),
            ("TwoLayerNet()", {"sizes": (3072, 100, 10)}),
        ),
        "a network: params W1 (D, H), b1, W2, b2; reg; loss(X[, y])",
        "network",
    ),
    Row(
        "TwoLayerNet",
        ("nndl.fc_net",),
        (
            "TwoLayerNet(input_dim=D, hidden_dims=H, num_classes=C, weight_scale=std)",
            ("TwoLayerNet(hidden_dims=20)", {"sizes": (3072, 20, 10)}),
            (
                "TwoLayerNet(hidden_dims=20, reg=0.2)",
                {"sizes": (3072, 20, 10), "reg": 0.2},
            ),
            ("TwoLayerNet()", {"sizes": (3072, 100, 10)}),
        ),
        "a network, as above; `hidden_dims` is a number",
        "network",
    ),
    Row(
        "FullyConnectedNet",
        (*FC_NET, "nndl.fc_net"),
        (
            (
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, reg=3.14, "
                "weight_scale=5e-2, dtype=np.float64)",
                {"sizes": (15, 20, 12, 7), "reg": 3.14},
            ),
            (  # 2016 and 2017, UCLA
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, reg=0.1, "
                "weight_scale=5e-2, dtype=np.float64, use_batchnorm=True)",
                {
                    "sizes": (15, 20, 12, 7),
                    "reg": 0.1,
                    "normalization": "batchnorm",
                },
            ),
            (
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, "
                "weight_scale=5e-2, dtype=np.float64, dropout=0.75, seed=123)",
                {"sizes": (15, 20, 12, 7), "keep": 0.75, "seed": 123},
            ),
            (
                "FullyConnectedNet([H], input_dim=D, num_classes=C, dropout=0, "
                "weight_scale=5e-2, dtype=np.float64, seed=123)",
                {},
            ),
            (
                "FullyConnectedNet([H], input_dim=D, num_classes=C, dropout=1, "
                "weight_scale=5e-2, dtype=np.float64, seed=123)",
                {},
            ),
            (  # from 2018
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, reg=3.14, "
                "weight_scale=5e-2, dtype=np.float64, normalization='batchnorm')",
                {
                    "sizes": (15, 20, 12, 7),
                    "reg": 3.14,
                    "normalization": "batchnorm",
                },
            ),
            (
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, "
                "weight_scale=5e-2, dtype=np.float64, normalization='layernorm')",
                {"sizes": (15, 20, 12, 7), "normalization": "layernorm"},
            ),
            (  # from 2021
                "FullyConnectedNet([H, H2], input_dim=D, num_classes=C, "
                "weight_scale=5e-2, dtype=np.float64, dropout_keep_ratio=0.5, seed=123)",
                {"sizes": (15, 20, 12, 7), "keep": 0.5, "seed": 123},
            ),
            (
                "FullyConnectedNet([H], weight_scale=std)",
                {"sizes": (3072, 20, 10), "dtype": "float32"},
            ),
            (  # by position, as 2016 and UCLA had them: dropout, use_batchnorm
                "FullyConnectedNet([H], D, C, 0, True, 0.3, 5e-2, np.float64)",
                {"reg": 0.3, "normalization": "batchnorm"},
            ),
            (
                "FullyConnectedNet([H], D, C, 1, 'layernorm', 0.3, 5e-2, np.float64)",
                {"reg": 0.3, "normalization": "layernorm"},
            ),
        ),
        "a network of any depth, with gamma and beta where it normalizes",
        "network",
    ),
    Row(
        "FullyConnectedNetBasic",
        FC_NET,
        (
            (
                "FullyConnectedNetBasic([H, H2], input_dim=D, num_classes=C, reg=3.14, "
                "weight_scale=5e-2, dtype=np.float64)",
                {"sizes": (15, 20, 12, 7), "reg": 3.14},
            ),
            (
                "FullyConnectedNetBasic([H], weight_scale=std, dtype=np.float64)",
                {"sizes": (3072, 20, 10)},
            ),
        ),
        "a network without normalization and dropout",
        "network",
    ),
    Row(
        "FullyConnectedNetImproved",
        FC_NET,
        (
            (
                "FullyConnectedNetImproved([H, H2], input_dim=D, num_classes=C, "
                "reg=3.14, weight_scale=5e-2, dtype=np.float64, "
                "normalization='batchnorm')",
                {
                    "sizes": (15, 20, 12, 7),
                    "reg": 3.14,
                    "normalization": "batchnorm",
                },
            ),
            (
                "FullyConnectedNetImproved([H, H2], input_dim=D, num_classes=C, "
                "weight_scale=5e-2, dtype=np.float64, normalization='layernorm')",
                {"sizes": (15, 20, 12, 7), "normalization": "layernorm"},
            ),
            (
                "FullyConnectedNetImproved([H, H2], input_dim=D, num_classes=C, "
                "weight_scale=5e-2, dtype=np.float64, dropout_keep_ratio=0.75, seed=123)",
                {"sizes": (15, 20, 12, 7), "keep": 0.75, "seed": 123},
            ),
            (
                "FullyConnectedNetImproved([H], D, C, 1, None, 0.3, 5e-2, np.float64)",
                {"reg": 0.3},
            ),
        ),
        "a network with normalization and dropout",
        "network",
    ),
    Row(
        "ThreeLayerConvNet",
        CNN,
        (
            (
                "ThreeLayerConvNet(num_filters=3, filter_size=3, input_dim=(3, 8, 8), "
                "hidden_dim=7, dtype=np.float64)",
                {"filters": (3, 3, 3, 3), "hidden": 7},
            ),
            (
                "ThreeLayerConvNet((3, 8, 8), 4, 5, 6, 10, 1e-1, 0.2, np.float64)",
                {"filters": (4, 3, 5, 5), "hidden": 6, "reg": 0.2},
            ),
            (
                "ThreeLayerConvNet(weight_scale=1e-2)",
                {"filters": (32, 3, 7, 7), "hidden": 100},
            ),
            (
                "ThreeLayerConvNet(weight_scale=0.001, hidden_dim=500, reg=0.001)",
                {"filters": (32, 3, 7, 7), "hidden": 500, "reg": 0.001},
            ),
            ("ThreeLayerConvNet()", {"filters": (32, 3, 7, 7), "hidden": 100}),
        ),
        "a network conv - relu - pool - affine - relu - affine: params W1 to b3",
    ),
    Row(
        "TwoLayerNet",
        _at_stanford_and_washington("classifiers.neural_net"),
        (
            "TwoLayerNet(D, H, C, std=1e-1)",
            "TwoLayerNet(D, H, C)",
            "TwoLayerNet(input_size=D, hidden_size=H, output_size=C, std=1e-4)",
        ),
        "a network that trains itself: loss, train, predict",
        "neural_net",
    ),
    Row(
        "TwoLayerNet",
        ("nndl.neural_net",),
        ("TwoLayerNet(D, H, C, std=1e-1)", "TwoLayerNet(D, H, C)"),
        "the same with W1 (H, D), W2 (C, H) and half the penalty",
        "ucla_neural_net",
    ),
    # ---- training --------------------------------------------------------------------
    *(
        Row(
            rule,
            OPTIM,
            (
                f"{rule}(w, dw, config=config)",
                f"{rule}(w, dw, config)",
                f"{rule}(w=w, dw=dw, config=config)",
                (f"{rule}(w, dw)", {"first": True}),
                (f"{rule}(w, dw, config=None)", {"first": True}),
            ),
            "next_w, config",
        )
        for rule in ("sgd", "sgd_momentum", "rmsprop", "adam", "sgd_nesterov_momentum")
    ),
    Row(
        "rmsprop",
        ("nndl.optim",),
        ("rmsprop(w, dw, config=config)", "rmsprop(w, dw, config)"),
        "next_w, config with UCLA's key `a`",
        "ucla_rmsprop",
    ),
    Row(
        "adam",
        ("nndl.optim",),
        ("adam(w, dw, config=config)", "adam(w, dw, config)"),
        "next_w, config with UCLA's keys `v`, `a`, `t`",
        "ucla_adam",
    ),
    Row(
        "Solver",
        SOLVER,
        (
            (
                "Solver(model, data, num_epochs=3, batch_size=10, update_rule='sgd', "
                "optim_config={'learning_rate': 0.1}, lr_decay=0.5, verbose=True, "
                "print_every=2)",
                {"rate": 0.1, "decay": 0.5, "epochs": 3, "batch": 10, "said": True},
            ),
            (
                "Solver(model, small_data, print_every=10, num_epochs=2, batch_size=25, "
                "update_rule='sgd', optim_config={'learning_rate': 0.2})",
                {"rate": 0.2, "epochs": 2, "batch": 25, "said": True},
            ),
            (
                "Solver(model, data, update_rule='sgd_momentum', "
                "optim_config={'learning_rate': 0.1, 'momentum': 0.0}, num_epochs=2, "
                "batch_size=30, verbose=False)",
                {"rate": 0.1, "epochs": 2, "batch": 30},
            ),
            (
                "Solver(model, data, verbose=False)",
                {"rate": 1e-2, "epochs": 10, "batch": 100},
            ),
        ),
        "a solver: train(), check_accuracy(X, y[, num_samples, batch_size]), histories",
    ),
    # ---- helpers ---------------------------------------------------------------------
    Row(
        "eval_numerical_gradient",
        GRADIENT_CHECK,
        (
            ("eval_numerical_gradient(f, x)", {"said": True}),
            "eval_numerical_gradient(f, x, verbose=False)",
            "eval_numerical_gradient(f, x, verbose=False, h=1e-6)",
            "eval_numerical_gradient(f, x, False, 1e-5)",
        ),
        "the gradient, of the shape of x; printed unless verbose is False",
    ),
    Row(
        "eval_numerical_gradient_array",
        GRADIENT_CHECK,
        (
            "eval_numerical_gradient_array(g, x, df)",
            "eval_numerical_gradient_array(g, x, df, h=1e-6)",
            "eval_numerical_gradient_array(f=g, x=x, df=df)",
        ),
        "the gradient of sum(g(x) * df)",
    ),
    Row(
        "eval_numerical_gradient_blobs",
        GRADIENT_CHECK,
        (
            "eval_numerical_gradient_blobs(into_blob, (p, q), output)",
            "eval_numerical_gradient_blobs(into_blob, [p, q], output, h=1e-6)",
        ),
        "a list of gradients, one for each blob",
    ),
    Row(
        "eval_numerical_gradient_net",
        GRADIENT_CHECK,
        (
            "eval_numerical_gradient_net(net, (p, q), output)",
            "eval_numerical_gradient_net(net, [p, q], output, h=1e-6)",
        ),
        "a list of gradients, one for each blob",
    ),
    Row(
        "grad_check_sparse",
        GRADIENT_CHECK,
        (
            ("grad_check_sparse(f, x, analytic_grad)", {"checks": 10}),
            ("grad_check_sparse(f, x, analytic_grad, 3)", {"checks": 3}),
            (
                "grad_check_sparse(f, x, analytic_grad, num_checks=5, h=1e-6)",
                {"checks": 5},
            ),
        ),
        "a line for each entry that it checked",
    ),
    Row(
        "get_CIFAR10_data",
        DATA_UTILS,
        (
            ("get_CIFAR10_data(num_training=30, num_validation=4, num_test=5)", {}),
            ("get_CIFAR10_data(30, 4, 5)", {}),
            (
                "get_CIFAR10_data(num_training=30, num_validation=4, num_test=5, "
                "subtract_mean=False)",
                {"raw": True},
            ),
            (
                "get_CIFAR10_data(cifar10_dir='cs231n/datasets', num_training=30, "
                "num_validation=4, num_test=5)",
                {},
            ),
        ),
        "a dict: X_train (N, 3, 32, 32), y_train, X_val, y_val, X_test, y_test",
    ),
    Row(
        "load_CIFAR10",
        DATA_UTILS,
        (
            "load_CIFAR10('cs231n/datasets/cifar-10-batches-py')",
            "load_CIFAR10('../../Datasets/cifar-10-batches-py')",
            "load_CIFAR10(ROOT='cifar-10-batches-py')",
        ),
        "Xtr (N, 32, 32, 3), Ytr, Xte, Yte",
    ),
    Row(
        "load_CIFAR_batch",
        DATA_UTILS,
        ("load_CIFAR_batch(batch)", "load_CIFAR_batch(filename=batch)"),
        "X (N, 32, 32, 3), Y",
    ),
    Row(
        "visualize_grid",
        VIS_UTILS,
        (
            ("visualize_grid(images)", {"padding": 1, "ubound": 255.0}),
            ("visualize_grid(images, padding=3)", {"padding": 3, "ubound": 255.0}),
            (
                "visualize_grid(images, ubound=1.0, padding=2)",
                {"padding": 2, "ubound": 1.0},
            ),
            ("visualize_grid(images, 1.0, 2)", {"padding": 2, "ubound": 1.0}),
        ),
        "a grid (height, width, C)",
    ),
    Row("vis_grid", VIS_UTILS, ("vis_grid(images)",), "a grid from 0 to 1"),
    Row("vis_nn", VIS_UTILS, ("vis_nn(rows)",), "a grid from 0 to 1"),
    # ---- windows as columns ----------------------------------------------------------
    Row(
        "get_im2col_indices",
        IM2COL,
        (
            (
                "get_im2col_indices(x_shape, 3, 5, padding=1, stride=2)",
                {"window": (3, 5, 1, 2)},
            ),
            ("get_im2col_indices(x_shape, 3, 3)", {"window": (3, 3, 1, 1)}),
            (
                "get_im2col_indices(x_shape=x_shape, field_height=2, field_width=4, "
                "padding=0, stride=3)",
                {"window": (2, 4, 0, 3)},
            ),
        ),
        "k, i, j: (C * HH * WW, 1), twice (C * HH * WW, OH * OW)",
    ),
    Row(
        "im2col_indices",
        IM2COL,
        (
            ("im2col_indices(x, 3, 5, padding=1, stride=2)", {"window": (3, 5, 1, 2)}),
            ("im2col_indices(x, 3, 3)", {"window": (3, 3, 1, 1)}),
            ("im2col_indices(x, 2, 4, 0, 3)", {"window": (2, 4, 0, 3)}),
        ),
        "columns (C * HH * WW, OH * OW * N)",
    ),
    Row(
        "col2im_indices",
        IM2COL,
        (
            ("col2im_indices(cols, x_shape)", {"window": (3, 3, 1, 1)}),
            (
                "col2im_indices(cols, x_shape, 3, 5, padding=1, stride=2)",
                {"window": (3, 5, 1, 2)},
            ),
            (
                "col2im_indices(cols, x_shape, field_height=2, field_width=4, "
                "padding=0, stride=3)",
                {"window": (2, 4, 0, 3)},
            ),
        ),
        "the columns added up in images (N, C, H, W)",
    ),
    Row(
        "im2col_cython",
        IM2COL_CYTHON,
        (
            ("im2col_cython(x, 3, 5, 1, 2)", {"window": (3, 5, 1, 2)}),
            (
                "im2col_cython(x, field_height=2, field_width=4, padding=0, stride=3)",
                {"window": (2, 4, 0, 3)},
            ),
        ),
        "columns (C * HH * WW, OH * OW * N)",
    ),
    Row(
        "col2im_cython",
        IM2COL_CYTHON,
        (
            ("col2im_cython(cols, N, C, H, W, 3, 5, 1, 2)", {"window": (3, 5, 1, 2)}),
            (
                "col2im_cython(cols, N, C, H, W, field_height=2, field_width=4, "
                "padding=0, stride=3)",
                {"window": (2, 4, 0, 3)},
            ),
        ),
        "the columns added up in images (N, C, H, W)",
    ),
    Row(
        "col2im_6d_cython",
        IM2COL_CYTHON,
        (
            (
                "col2im_6d_cython(cols, N, C, H, W, 3, 5, 1, 2)",
                {"window": (3, 5, 1, 2)},
            ),
            (
                "col2im_6d_cython(cols, N, C, H, W, HH=2, WW=4, pad=0, stride=3)",
                {"window": (2, 4, 0, 3)},
            ),
        ),
        "windows (C, HH, WW, N, OH, OW) added up in images (N, C, H, W)",
    ),
    # ---- UCLA's tests of the first layers --------------------------------------------
    *(
        Row(name, ("nndl.layer_tests",), (f"{name}()",), "None; prints errors", "test")
        for name in (
            "affine_forward_test",
            "affine_backward_test",
            "relu_forward_test",
            "relu_backward_test",
            "affine_relu_test",
            "fc_net_test",
        )
    ),
)

_LAYER_NAMES = tuple(row.name for row in ROWS if row.modules == LAYERS)
_CONV_NAMES = tuple(row.name for row in ROWS if row.modules == CONV_LAYERS)
_FAST_NAMES = tuple(row.name for row in ROWS if row.modules == FAST_LAYERS)
_SANDWICHES = (
    "affine_relu_forward",
    "affine_relu_backward",
    "conv_relu_forward",
    "conv_relu_backward",
    "conv_relu_pool_forward",
    "conv_relu_pool_backward",
)

#: What a star-import of a module brings along beyond the module's own names.
STARS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*FC_NET, "nndl.fc_net"), ("np", *_LAYER_NAMES, *_SANDWICHES)),
    **dict.fromkeys(
        CNN, ("np", *_LAYER_NAMES, *_CONV_NAMES, *_FAST_NAMES, *_SANDWICHES)
    ),
    **dict.fromkeys(
        _at_stanford_and_washington("layers"), ("np", *_LAYER_NAMES, *_CONV_NAMES)
    ),
    "nndl.layers": ("np", *_LAYER_NAMES),
    "nndl.conv_layers": ("np", *_LAYER_NAMES, *_CONV_NAMES),
    "nndl.conv_layer_utils": ("np", *_LAYER_NAMES, *_FAST_NAMES, *_SANDWICHES),
    "nndl.layer_tests": (
        "np",
        *_LAYER_NAMES,
        "FullyConnectedNet",
        "eval_numerical_gradient",
        "eval_numerical_gradient_array",
    ),
    **dict.fromkeys(FAST_LAYERS, ("np", "im2col_indices", "col2im_indices")),
    **dict.fromkeys(GRADIENT_CHECK, ("np",)),
    **dict.fromkeys(OPTIM, ("np",)),
    **dict.fromkeys(SOLVER, ("np",)),
    **dict.fromkeys(VIS_UTILS, ("np",)),
    **dict.fromkeys(DATA_UTILS, ("np",)),
}

#: What no star-import may bring: every notebook has its own, or its variables' names.
NEVER_IN_A_STAR = ("rel_error", "time", "plt", "data", "layers", "optim", "fc_net")
