/* What the native unpickler is made of: a stream that was looked through, a stack with its marks, and the memo's numbers. */
#ifndef KISHU_LOAD_H
#define KISHU_LOAD_H

#include "native.h"
#include "opcodes.h"

#define NAMES 32

/* What follows an opcode: so many bytes, or a length of so many bytes (negative) and what it says. OTHER: it is not known here. */
#define OTHER 100

static inline int
argument_of(int code)
{
    switch (code) {
    case MARK: case STOP: case POP: case POP_MARK: case APPEND: case APPENDS: case SETITEM: case SETITEMS: case EMPTY_LIST:
    case EMPTY_DICT: case EMPTY_TUPLE: case TUPLE: case TUPLE1: case TUPLE2: case TUPLE3: case EMPTY_SET: case ADDITEMS:
    case FROZENSET: case STACK_GLOBAL: case MEMOIZE: case NEWOBJ: case BUILD: case REDUCE: case NONE: case TRUE: case FALSE:
        return 0;
    case PROTO: case INT1: case GET1:
        return 1;
    case INT2:
        return 2;
    case INT4: case GET4:
        return 4;
    case FRAME: case FLOAT:
        return 8;
    case LONG1: case TEXT1: case BYTES1:
        return -1;
    case LONG4: case TEXT4: case BYTES4:
        return -4;
    case TEXT8: case BYTES8:
        return -8;
    default:
        return OTHER;
    }
}

static inline uint64_t
number_at(const uint8_t *at, int bytes)
{
    uint64_t number = 0;
    for (int place = 0; place < bytes; place++) {
        number |= (uint64_t)at[place] << (8 * place);
    }
    return number;
}

typedef struct {
    const uint8_t *data, *end;
    uint8_t *fetched;        /* for each number of the memo, whether it is asked for again */
    Py_ssize_t numbers, room; /* of the memo */
    PyObject **items;        /* the stack */
    Py_ssize_t *places;      /* for each item, its number in the memo; -1: it has none */
    Py_ssize_t count, capacity;
    Py_ssize_t *marks;
    Py_ssize_t marked, marks_capacity;
    PyObject *memo, *find, *build; /* the list, and what is called; borrowed */
    PyTypeObject *last;            /* the one whose instances last got their attributes here */
    unsigned int version;          /* that it had */
    PyObject *names[NAMES][2];     /* of the attributes that were set last, by their places, as they came and interned */
} Loading;

int damaged(void);
int push(Loading *l, PyObject *obj); /* takes the reference over */

static inline PyObject *
pop(Loading *l)
{
    return l->items[--l->count];
}

/* -- the look through it (load_look.c) ------------------------------------------------------------------ */

int look_through(Loading *l);

/* -- instances, and what goes by its name (load_instances.c): each takes from the stack what it needs ----- */

int build(Loading *l);
int make_instance(Loading *l);
int call_it(Loading *l);
int find_global(Loading *l);

#endif
