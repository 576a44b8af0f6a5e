/* How the loop visits what a pickler's usual way tells wholly: slots, queues, dates. As `walk_reduction` in Python, less
 * what that asks of others. A reduction runs code: no reference is borrowed over one.
 */
#include "loop.h"

/* A list of what was made, which the walk keeps: the id of a freed one would name another. */
static PyObject *
taken_apart(PyObject *obj)
{
    PyObject *reduced = PyObject_CallMethod(obj, "__reduce_ex__", "i", 5);
    PyObject *children = reduced == NULL || !PyTuple_CheckExact(reduced) ? NULL : PySequence_List(reduced);
    Py_XDECREF(reduced);
    for (Py_ssize_t place = 3; children != NULL && place < 5 && place < PyList_GET_SIZE(children); place++) {
        PyObject *items = PyList_GET_ITEM(children, place);
        PyObject *listed = items == Py_None ? Py_NewRef(items) : PySequence_List(items);
        if (listed == NULL || PyList_SetItem(children, place, listed) < 0) {
            Py_CLEAR(children);
        }
    }
    return children;
}

/* An empty `__dict__` is as none; what a value holds is its own. */
static int
set_state(PyObject *children, int is_value)
{
    PyObject *state = PyList_GET_SIZE(children) > 2 ? PyList_GET_ITEM(children, 2) : Py_None;
    if (!PyDict_CheckExact(state)) {
        return 0;
    }
    PyObject *instead = PyDict_GET_SIZE(state) == 0 ? Py_NewRef(Py_None) : is_value ? PyDict_Copy(state) : Py_NewRef(state);
    return instead == NULL ? -1 : PyList_SetItem(children, 2, instead);
}

static int
put_bytes(Buffer *out, PyObject *bytes)
{
    return buffer_put(out, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* As `_write_newobj`: 1: what makes the instance was written; 0: that is not all; -1: an error. */
static int
put_newobj(Loop *loop, PyObject *children, PyTypeObject *kind)
{
    PyObject *made_by = PyList_GET_ITEM(children, 0), *arguments = PyList_GET_ITEM(children, 1);
    if (made_by != copyreg_newobj || PyList_GET_SIZE(children) < 3 || !PyTuple_CheckExact(arguments) || PyTuple_GET_SIZE(arguments) != 1 ||
        PyTuple_GET_ITEM(arguments, 0) != (PyObject *)kind || PyDict_GET_SIZE(loop->hubs)) {
        return 0;
    }
    PyObject *function = PyDict_GetItemWithError(loop->references, made_by);
    PyObject *cls = function == NULL ? NULL : PyDict_GetItemWithError(loop->references, (PyObject *)kind);
    if (cls == NULL || !PyBytes_CheckExact(function) || !PyBytes_CheckExact(cls)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int met = memo_find(loop->memo, (uintptr_t)arguments) != NULL ? 1 : is_static(loop, arguments);
    if (met) {
        return met < 0 ? -1 : 0;
    }
    Buffer *out = &loop->parts->buffer;
    int failed = number_it(loop, arguments) < 0 || put_bytes(out, function) < 0 || buffer_put(out, "t1;", 3) < 0 || put_bytes(out, cls) < 0;
    return failed ? -1 : 1;
}

int
visit_told(Loop *loop, PyObject *obj, Kind *kind)
{
    int is_value = kind->told == 2;
    Buffer *out = &loop->parts->buffer;
    if (!is_value && number_it(loop, obj) < 0) {
        return -1;
    }
    PyObject *children = taken_apart(obj);
    if (children == NULL || PyList_GET_SIZE(children) < 2 || set_state(children, is_value) < 0) {
        Py_XDECREF(children);
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            return -1;
        }
        PyErr_Clear();
        return begin_again(loop, obj, kind->handler, out->length, loop->stack->count);
    }
    Py_ssize_t count = PyList_GET_SIZE(children);
    int failed = PyList_Append(loop->kept, children) < 0 || buffer_put_number(out, 'r', count, ';') < 0;
    int written = failed ? -1 : put_newobj(loop, children, Py_TYPE(obj));
    if (written >= 0 && stack_reserve(loop->stack, count) >= 0) {
        for (Py_ssize_t place = count; place > (written ? 2 : 0); place--) {
            stack_push(loop->stack, PyList_GET_ITEM(children, place - 1));
        }
    }
    else {
        written = -1;
    }
    Py_DECREF(children);
    return written < 0 ? -1 : 0;
}
