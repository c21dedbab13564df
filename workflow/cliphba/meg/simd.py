"""Vectors of eight numbers for compiled loops: the same arithmetic for eight pairs of stimuli at once.

A compiler turns loops over scalars into vector instructions only where it can prove that nothing overlaps; in small
triangular loops it cannot, and reaches a twentieth of what the processor can do. Here a value *is* a vector, so that
loops can be written as if for one pair. For use inside functions that numba compiles.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.extending import models, overload, register_model

# numba fills in the first argument of an intrinsic: callers give one less than its signature has
intrinsic: Any = extending.intrinsic

LANES = 8  # one AVX-512 register, two of AVX2, four of NEON

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
# multiplications and additions may be fused: the only liberty taken, so that sums keep their order
_FUSED = ("contract",)


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name=f"Vector{LANES}")


vector = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Pointer to a row of a C-ordered float64 array (rows, LANES)."""
    data = context.make_array(kind)(context, builder, value=array).data
    place = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """Read row `row` of an array (rows, LANES)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, row = arguments
        row = context.cast(builder, row, signature.args[1], types.intp)
        return builder.load(_address(context, builder, signature.args[0], array, row), align=8)

    return vector(array, row), generate


@intrinsic
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write row `row` of an array (rows, LANES)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, row, value = arguments
        row = context.cast(builder, row, signature.args[1], types.intp)
        builder.store(value, _address(context, builder, signature.args[0], array, row), align=8)
        return context.get_dummy_value()

    return types.void(array, row, value), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """Make a vector of equal numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.cast(builder, arguments[0], signature.args[0], types.float64)
        single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), zeros)

    return vector(number), generate


@intrinsic
def positive(typing: Any, value: Any) -> Any:
    """Give 1 where a number is above zero, else 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ones, zeros = (ir.Constant(_VECTOR, [number] * LANES) for number in (1.0, 0.0))
        return builder.select(builder.fcmp_ordered(">", arguments[0], zeros), ones, zeros)

    return vector(value), generate


@intrinsic
def chosen(typing: Any, mask: Any, value: Any) -> Any:
    """Give a number where the mask is above zero, else 0, whatever it is there: infinite or undefined, too."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zeros), arguments[1], zeros)

    return vector(mask, value), generate


@intrinsic
def largest(typing: Any, value: Any) -> Any:
    """Give the largest of the eight numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), 0))
        for lane in range(1, LANES):
            other = builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), lane))
            found = builder.select(builder.fcmp_ordered(">", other, found), other, found)
        return found

    return types.float64(value), generate


@intrinsic
def root(typing: Any, value: Any) -> Any:
    """Square root of each number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f64")
        return builder.call(function, arguments)

    return vector(value), generate


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    """Let an operator work on two vectors."""

    @intrinsic
    def apply(typing: Any, first: Any, second: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=_FUSED)

        return vector(first, second), generate

    def between(first: Any, second: Any) -> bool:
        return isinstance(first, Vector) and isinstance(second, Vector)

    # an implementation, which numba compiles, is chosen by types
    overload(operation)(
        lambda first, second: (lambda first, second: apply(first, second)) if between(first, second) else None  # noqa: PLW0108
    )


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _arithmetic(_operation, _instruction)
