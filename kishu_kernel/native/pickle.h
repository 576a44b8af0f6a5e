/* What the native pickler is made of: a stream that grows, in frames, and the numbers of what may be met again. */
#ifndef KISHU_PICKLE_H
#define KISHU_PICKLE_H

#include "native.h"
#include "opcodes.h"

#define FRAME_TARGET (64 * 1024)
#define FRAME_LEAST 4
#define FRAME_HEADER 9

typedef struct {
    PyObject *stream; /* grows, and is given away as it is: what is large is not copied once more */
    Buffer out;       /* what stands in it */
    size_t frame; /* where the header of the open frame stands, and 1; 0: none is open */
    int framing;
    Memo *memo;      /* the numbers of objects that may be met again */
    int64_t numbered; /* and how many objects have one, met again or not */
    PyObject *ways;   /* type -> how it is written: (module, name, object[, arguments of a call of it]); None: it cannot be */
    PyTypeObject *unknown; /* a type that is not among them */
    PyTypeObject *last;
    PyObject *last_way;
    int depth;
    PyObject *kept;      /* tuples; NULL: none */
    Py_ssize_t expected; /* references to the object at hand that are accounted for, whose places no other way leads to */
} Pickling;

/* -- bytes (pickle_atoms.c) ----------------------------------------------------------------------------- */

void close_frame(Pickling *p);
int grow(Pickling *p, size_t more);

/* Between two objects. */
static inline void
boundary(Pickling *p)
{
    if (p->frame && p->out.length - (p->frame - 1) - FRAME_HEADER >= FRAME_TARGET) {
        close_frame(p);
    }
}

/* Room for so many bytes more, in a frame. */
static inline int
make_room(Pickling *p, size_t length)
{
    size_t more = length + FRAME_HEADER;
    if (p->out.capacity - p->out.length < more && grow(p, more) < 0) {
        return FAILED;
    }
    if (p->framing && p->frame == 0) {
        p->frame = p->out.length + 1;
        p->out.length += FRAME_HEADER;
    }
    return WRITTEN;
}

static inline int
put(Pickling *p, const void *data, size_t length)
{
    if (make_room(p, length) < 0) {
        return FAILED;
    }
    memcpy(p->out.data + p->out.length, data, length);
    p->out.length += length;
    return WRITTEN;
}

static inline int
put_code(Pickling *p, int code)
{
    char byte = (char)code;
    return put(p, &byte, 1);
}

/* A code, and a number in so many bytes. */
static inline int
put_number(Pickling *p, int code, uint64_t number, int bytes)
{
    char data[FRAME_HEADER] = {(char)code};
    for (int place = 0; place < bytes; place++) {
        data[1 + place] = (char)(number >> (8 * place));
    }
    return put(p, data, (size_t)bytes + 1);
}

/* -- objects that are met again ---------------------------------------------------------------------- */

/* Only what something else refers to, too, can be met again: of all others, only the number is taken. */
static inline int
memoize(Pickling *p, PyObject *obj)
{
    if (put_code(p, MEMOIZE) < 0 || (Py_REFCNT(obj) > p->expected && memo_insert(p->memo, (uintptr_t)obj, p->numbered) < 0)) {
        return FAILED;
    }
    p->numbered++;
    return WRITTEN;
}

static inline int
put_again(Pickling *p, const Slot *slot)
{
    return slot->value < 256 ? put_number(p, GET1, (uint64_t)slot->value, 1) : put_number(p, GET4, (uint64_t)slot->value, 4);
}

static inline Slot *
met(Pickling *p, PyObject *obj)
{
    return Py_REFCNT(obj) > p->expected ? memo_find(p->memo, (uintptr_t)obj) : NULL;
}

/* -- atoms (pickle_atoms.c) ----------------------------------------------------------------------------- */

int save_int(Pickling *p, PyObject *obj);
int save_float(Pickling *p, PyObject *obj);
int save_text(Pickling *p, PyObject *obj);
int save_bytes(Pickling *p, PyObject *obj);

#endif
