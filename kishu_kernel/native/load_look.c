/* The look through a stream before anything of it is done: whether all its opcodes are known here, and what is asked for again. */
#include "load.h"

static int
note_number(Loading *l)
{
    if (l->numbers == l->room) {
        l->room = l->room ? l->room * 2 : 256;
        uint8_t *fetched = PyMem_Realloc(l->fetched, (size_t)l->room);
        if (fetched == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        l->fetched = fetched;
    }
    l->fetched[l->numbers++] = 0;
    return WRITTEN;
}

/* WRITTEN: all of it is known here, to the end. */
int
look_through(Loading *l)
{
    if (l->end - l->data < 2 || l->data[0] != PROTO) {
        return NOT_PLAIN;
    }
    for (const uint8_t *at = l->data; at < l->end;) {
        int code = *at++, argument = argument_of(code), width = argument < 0 ? -argument : argument;
        if (argument == OTHER || l->end - at < width) {
            return NOT_PLAIN;
        }
        if (code == STOP) {
            return WRITTEN;
        }
        uint64_t number = width ? number_at(at, width) : 0;
        at += width;
        if (code == PROTO && number != 5) { /* names are looked up by the protocol */
            return NOT_PLAIN;
        }
        if ((argument < 0 || code == FRAME) && number > (uint64_t)(l->end - at)) {
            return NOT_PLAIN;
        }
        at += argument < 0 ? number : 0;
        if (code == MEMOIZE && note_number(l) < 0) {
            return FAILED;
        }
        if (code == GET1 || code == GET4) {
            if (number >= (uint64_t)l->numbers) {
                return NOT_PLAIN;
            }
            l->fetched[number] = 1;
        }
    }
    return NOT_PLAIN;
}
