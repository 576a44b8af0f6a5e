"""Values: immutable, or kept by name."""

from __future__ import annotations

import datetime
import decimal
import fractions
import logging
import pathlib
import re
import types
import uuid

VALUE_TYPES: tuple[type, ...] = (
    range,
    slice,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pathlib.PurePath,
    logging.Logger,
    types.CodeType,
    types.GenericAlias,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
"""Two variables that hold the same instance share nothing that could matter. Subclasses included, whoever made them."""
