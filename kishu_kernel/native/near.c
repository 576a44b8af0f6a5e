/* What an object of some types is near to: a search, nearest first, as `_met_in_python` of objects/libraries/matplotlib.py.
 * Runs no code but the function that it is given.
 */
#include "native.h"

#define SLOTS 1024 /* more than twice as many as may be seen */

typedef struct {
    Buffer next; /* strong references: what is met in the next step */
    void *seen[SLOTS];
    PyObject *found, *wanted, *nowhere, *special, *held_in;
    Py_ssize_t count, most, room; /* seen so far; at most; how many more of one that is looked into */
    int failed;
} Search;

static int
is_one_of(PyTypeObject *kind, PyObject *kinds)
{
    for (Py_ssize_t each = 0; each < PyTuple_GET_SIZE(kinds); each++) {
        if (PyTuple_GET_ITEM(kinds, each) == (PyObject *)kind) {
            return 1;
        }
    }
    return 0;
}

static int
derives_from(PyTypeObject *kind, PyObject *kinds)
{
    for (Py_ssize_t each = 0; each < PyTuple_GET_SIZE(kinds); each++) {
        if (PyType_IsSubtype(kind, (PyTypeObject *)PyTuple_GET_ITEM(kinds, each))) {
            return 1;
        }
    }
    return 0;
}

/* Something that is held, to be met a step later. Other than 0: of this one no more is wanted. */
static int
hold(PyObject *obj, void *of)
{
    Search *search = of;
    if (!is_one_of(Py_TYPE(obj), search->nowhere)) {
        if (buffer_put(&search->next, &obj, sizeof(obj)) < 0) {
            search->failed = 1;
            return 1;
        }
        Py_INCREF(obj);
    }
    return --search->room <= 0;
}

static void
hold_items(Search *search, PyObject *items)
{
    search->room = search->most;
    for (Py_ssize_t each = 0; each < PySequence_Fast_GET_SIZE(items); each++) {
        if (hold(PySequence_Fast_GET_ITEM(items, each), search)) {
            return;
        }
    }
}

static void
hold_dict(Search *search, PyObject *dict)
{
    PyObject *key, *value;
    for (int keys = 0; keys < 2; keys++) {
        Py_ssize_t at = 0;
        search->room = search->most;
        while (PyDict_Next(dict, &at, &key, &value) && !hold(keys ? key : value, search)) {
        }
    }
}

static void
hold_content(Search *search, PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (kind == &PyList_Type || kind == &PyTuple_Type) {
        hold_items(search, obj);
    }
    else if (kind == &PyDict_Type) {
        hold_dict(search, obj);
    }
    else if ((PyObject *)kind == search->special) {
        PyObject *held = PyObject_CallOneArg(search->held_in, obj);
        PyObject *items = held == NULL ? NULL : PySequence_Fast(held, "a sequence");
        Py_XDECREF(held);
        if (items == NULL) {
            search->failed = 1;
            return;
        }
        hold_items(search, items);
        Py_DECREF(items);
    }
    else if (PyObject_IS_GC(obj) && kind->tp_traverse != NULL) {
        search->room = search->most;
        kind->tp_traverse(obj, hold, search);
    }
}

/* Whether it is met for the first time, and may be. */
static int
is_new(Search *search, PyObject *obj)
{
    if (search->count > search->most) {
        return 0;
    }
    size_t slot = ((uintptr_t)obj >> 4) % SLOTS;
    while (search->seen[slot] != NULL) {
        if (search->seen[slot] == obj) {
            return 0;
        }
        slot = (slot + 1) % SLOTS;
    }
    search->seen[slot] = obj;
    search->count++;
    return 1;
}

static void
meet(Search *search, PyObject *obj)
{
    if (search->failed || is_one_of(Py_TYPE(obj), search->nowhere) || !is_new(search, obj)) {
        return;
    }
    if (derives_from(Py_TYPE(obj), search->wanted)) {
        search->failed = PyList_Append(search->found, obj) < 0;
    }
    else {
        hold_content(search, obj);
    }
}

static void
step(Search *search)
{
    Buffer level = search->next;
    memset(&search->next, 0, sizeof(search->next));
    PyObject **items = (PyObject **)level.data;
    for (size_t each = 0; each < level.length / sizeof(PyObject *); each++) {
        meet(search, items[each]);
    }
    for (size_t each = 0; each < level.length / sizeof(PyObject *); each++) {
        Py_DECREF(items[each]);
    }
    buffer_free(&level);
}

/* met_near(value, wanted, nowhere, deepest, most, special, held_in): objects of types that derive from wanted ones. */
PyObject *
near_met(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || !PyTuple_Check(args[1]) || !PyTuple_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "a value, two tuples of types, two numbers, a type and a function");
        return NULL;
    }
    long deepest = PyLong_AsLong(args[3]), most = PyLong_AsLong(args[4]);
    if (PyErr_Occurred() || most < 0 || most >= SLOTS / 2) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "less than %d objects", SLOTS / 2);
    }
    Search *search = PyMem_Calloc(1, sizeof(Search));
    if (search == NULL || (search->found = PyList_New(0)) == NULL) {
        PyMem_Free(search);
        return PyErr_NoMemory();
    }
    search->wanted = args[1], search->nowhere = args[2], search->special = args[5], search->held_in = args[6];
    search->most = search->room = most;
    hold(args[0], search);
    for (long depth = 0; depth < deepest && !search->failed && search->next.length; depth++) {
        step(search);
    }
    PyObject **left = (PyObject **)search->next.data;
    for (size_t each = 0; each < search->next.length / sizeof(PyObject *); each++) {
        Py_DECREF(left[each]);
    }
    buffer_free(&search->next);
    PyObject *found = search->found;
    if (search->failed) {
        Py_CLEAR(found);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
    }
    PyMem_Free(search);
    return found;
}
