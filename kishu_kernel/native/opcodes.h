/* The opcodes of a pickle (protocol 5) that are written and read natively: those of what is plain. */
#ifndef KISHU_OPCODES_H
#define KISHU_OPCODES_H

enum {
    MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', APPEND = 'a', APPENDS = 'e', SETITEM = 's', SETITEMS = 'u',
    EMPTY_LIST = ']', EMPTY_DICT = '}', EMPTY_TUPLE = ')', TUPLE = 't', TUPLE1 = 0x85, TUPLE2, TUPLE3, EMPTY_SET = 0x8f, ADDITEMS,
    FROZENSET, STACK_GLOBAL = 0x93, MEMOIZE, FRAME, NEWOBJ = 0x81, BUILD = 'b', REDUCE = 'R', PROTO = 0x80, NONE = 'N',
    TRUE = 0x88, FALSE, LONG1, LONG4, INT1 = 'K', INT2 = 'M', INT4 = 'J', FLOAT = 'G', TEXT1 = 0x8c, TEXT4 = 'X', TEXT8 = 0x8d,
    BYTES1 = 'C', BYTES4 = 'B', BYTES8 = 0x8e, GET1 = 'h', GET4 = 'j',
};

#endif
