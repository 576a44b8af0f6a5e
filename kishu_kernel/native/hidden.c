/* Which of some objects a reduction does not tell: as `_not_told_by` of objects/hidden_links.py. Runs no code. */
#include "native.h"

#define AT_MOST 256

typedef struct {
    PyObject *keys[AT_MOST];
    void *objects[AT_MOST]; /* NULL: it is told */
    Py_ssize_t count;
} Wanted;

static void
told(Wanted *wanted, PyObject *obj)
{
    for (Py_ssize_t place = 0; place < wanted->count; place++) {
        if (wanted->objects[place] == obj) {
            wanted->objects[place] = NULL;
        }
    }
}

/* What a container of Python's own holds, or of a class derived from one; so deep. */
static void
told_in(Wanted *wanted, PyObject *held, int depth)
{
    PyObject *item, *key;
    Py_ssize_t place = 0;
    if (PyDict_Check(held)) {
        while (PyDict_Next(held, &place, &key, &item)) {
            told(wanted, item);
            if (depth) {
                told_in(wanted, item, depth - 1);
            }
        }
    }
    else if (PyList_Check(held) || PyTuple_Check(held)) {
        for (; place < Py_SIZE(held); place++) {
            item = PyList_Check(held) ? PyList_GET_ITEM(held, place) : PyTuple_GET_ITEM(held, place);
            told(wanted, item);
            if (depth) {
                told_in(wanted, item, depth - 1);
            }
        }
    }
    else if (PyAnySet_Check(held)) {
        while ((item = next_in((PySetObject *)held, &place)) != NULL) {
            told(wanted, item);
            if (depth) {
                told_in(wanted, item, depth - 1);
            }
        }
    }
}

static int
read_keys(PyObject *keys, Wanted *wanted)
{
    PyObject *key;
    Py_ssize_t place = 0;
    for (wanted->count = 0; (key = next_in((PySetObject *)keys, &place)) != NULL; wanted->count++) {
        wanted->keys[wanted->count] = key;
        wanted->objects[wanted->count] = PyLong_AsVoidPtr(key);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

/* The keys that are left, held: to make a set may start a collection. */
static PyObject *
left_over(Wanted *wanted)
{
    PyObject *found = PySet_New(NULL);
    for (Py_ssize_t place = 0; place < wanted->count; place++) {
        if (found != NULL && wanted->objects[place] != NULL && PySet_Add(found, wanted->keys[place]) < 0) {
            Py_CLEAR(found);
        }
    }
    return found;
}

/* not_told_by(reduction, keys): those of these ids whose objects stand neither in it, its first entry left out, nor in
 * containers in it, nor in containers in those. None: there are too many.
 */
PyObject *
hidden_not_told_by(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyAnySet_Check(arguments[1]) || !(PyTuple_CheckExact(arguments[0]) || PyList_CheckExact(arguments[0]))) {
        PyErr_SetString(PyExc_TypeError, "not_told_by takes a reduction and a set of ids");
        return NULL;
    }
    Wanted wanted;
    if (PySet_GET_SIZE(arguments[1]) > AT_MOST) {
        Py_RETURN_NONE;
    }
    if (read_keys(arguments[1], &wanted) < 0) {
        return NULL;
    }
    for (Py_ssize_t place = 1; place < 3 && place < Py_SIZE(arguments[0]); place++) {
        PyObject *part = PyList_CheckExact(arguments[0]) ? PyList_GET_ITEM(arguments[0], place) : PyTuple_GET_ITEM(arguments[0], place);
        told(&wanted, part);
        told_in(&wanted, part, 1);
    }
    return left_over(&wanted);
}
