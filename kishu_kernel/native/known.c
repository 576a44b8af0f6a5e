/* What Python has been asked once in a walk, and is written again without it: members of enums, numbers of NumPy, and
 * methods. As `walk_member`, `walk_scalar` and `walk_reduction` do.
 */
#include "loop.h"

/* 1: it was written as it was before; 0: it was not met yet, or is more than that; -1: an error. */
static int
put_member(Loop *loop, PyObject *obj)
{
    PyObject *key = PyLong_FromVoidPtr(obj), *known = key == NULL ? NULL : PyDict_GetItemWithError(loop->members, key);
    PyObject *told = known != NULL && PyTuple_CheckExact(known) && PyTuple_GET_SIZE(known) == 2 ? PyTuple_GET_ITEM(known, 1) : Py_None;
    Py_XDECREF(key);
    if (!PyBytes_CheckExact(told)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return buffer_put(&loop->parts->buffer, PyBytes_AS_STRING(told), (size_t)PyBytes_GET_SIZE(told)) < 0 ? -1 : 1;
}

int
visit_member(Loop *loop, PyObject *obj, Kind *kind)
{
    int put = put_member(loop, obj);
    if (put) {
        return put < 0 ? -1 : 0;
    }
    return number_it(loop, obj) < 0 ? -1 : ask_handler(loop, kind->handler, obj);
}

/* 1: it was written; 0: it is for Python; -1: an error. */
static int
put_scalar(Loop *loop, PyObject *obj, Kind *kind)
{
    Py_buffer view;
    if (kind->beginning == NULL) {
        kind->beginning = PyObject_CallMethod(loop->walk, "beginning_of_number", "O", (PyObject *)kind->kind);
        if (kind->beginning == NULL) {
            return -1;
        }
    }
    if (!PyBytes_CheckExact(kind->beginning) || PyObject_GetBuffer(obj, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return 0;
    }
    Buffer *out = &loop->parts->buffer;
    int failed = buffer_put(out, PyBytes_AS_STRING(kind->beginning), (size_t)PyBytes_GET_SIZE(kind->beginning)) < 0 ||
                 buffer_put(out, view.buf, (size_t)view.len) < 0;
    PyBuffer_Release(&view);
    return failed ? -1 : 1;
}

int
visit_scalar(Loop *loop, PyObject *obj, Kind *kind)
{
    int put = put_scalar(loop, obj, kind);
    if (put) {
        return put < 0 ? -1 : 0;
    }
    return number_it(loop, obj) < 0 ? -1 : ask_handler(loop, kind->handler, obj);
}

/* Whether what it calls, and what it is bound to, are all of it: 1, 0, or -1 for an error. Asked once a function and type. */
static int
is_its_parts(Loop *loop, PyObject *method)
{
    PyObject *self = PyMethod_GET_SELF(method), *function = PyMethod_GET_FUNCTION(method);
    PyTypeObject *kind = Py_TYPE(self);
    if (loop->census != Py_None || PyDict_GET_SIZE(loop->by_place) || PyType_Check(self) || Py_TYPE(kind) != &PyType_Type || !PyFunction_Check(function)) {
        return 0;
    }
    PyObject *key = PyTuple_Pack(2, (PyObject *)kind, function);
    PyObject *known = key == NULL ? NULL : PyDict_GetItemWithError(loop->methods, key);
    if (known == NULL && !PyErr_Occurred()) {
        known = PyObject_CallMethod(loop->walk, "is_its_parts", "O", method);
        int failed = known == NULL || PyDict_SetItem(loop->methods, key, known) < 0;
        Py_XDECREF(known); /* the dictionary holds it */
        known = failed ? NULL : known;
    }
    Py_XDECREF(key);
    return known == NULL ? -1 : known == Py_True;
}

int
visit_method(Loop *loop, PyObject *obj, Kind *kind)
{
    int simple = number_it(loop, obj) < 0 ? -1 : is_its_parts(loop, obj);
    if (simple <= 0) {
        return simple < 0 ? -1 : ask_handler(loop, kind->handler, obj);
    }
    PyObject *parts = PyTuple_Pack(2, PyMethod_GET_FUNCTION(obj), PyMethod_GET_SELF(obj));
    int failed = parts == NULL || PyList_Append(loop->kept, parts) < 0 || stack_reserve(loop->stack, 2) < 0 ||
                 buffer_put(&loop->parts->buffer, "r2;", 3) < 0;
    if (!failed) {
        stack_push(loop->stack, parts);
        stack_push(loop->stack, (PyObject *)&PyMethod_Type);
    }
    Py_XDECREF(parts);
    return failed ? -1 : 0;
}
