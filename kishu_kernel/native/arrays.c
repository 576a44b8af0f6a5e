/* Arrays of NumPy as figures have hundreds of: small, contiguous, and of numbers. All others are Python's (detect/walk/arrays.py). */
#include "loop.h"

#define SMALL_BYTES (1 << 16)
#define DIMENSIONS_MOST 4

/* How its type begins its text, a new reference; None: it is not of plain numbers. Few types are met in a walk. */
static PyObject *
beginning(Loop *loop, PyObject *dtype)
{
    for (int place = 0; place < loop->dtypes_count; place++) {
        if (loop->dtypes[place][0] == dtype) {
            return Py_NewRef(loop->dtypes[place][1]);
        }
    }
    PyObject *found = PyObject_CallMethod(loop->walk, "beginning_of_array", "O", dtype);
    if (found != NULL && loop->dtypes_count < DTYPES_MOST) {
        loop->dtypes[loop->dtypes_count][0] = Py_NewRef(dtype);
        loop->dtypes[loop->dtypes_count++][1] = Py_NewRef(found);
    }
    return found;
}

/* Whether an array holds its memory, in the end: 1, 0, or -1 for an error. */
static int
is_of_arrays(PyObject *array)
{
    PyObject *held = Py_NewRef(array);
    while (held != NULL && Py_TYPE(held) == Py_TYPE(array)) {
        Py_SETREF(held, PyObject_GetAttrString(held, "base"));
    }
    int found = held == NULL ? -1 : held == Py_None;
    Py_XDECREF(held);
    return found;
}

/* Whether no write to it shows elsewhere (`Reducer.is_copy_on_write`): 1, 0, or -1 for an error. */
static int
is_private(Loop *loop, PyObject *obj)
{
    if (!PyDict_GET_SIZE(loop->private)) {
        return 0;
    }
    PyObject *key = PyLong_FromVoidPtr(obj);
    int found = key == NULL ? -1 : PyDict_Contains(loop->private, key);
    Py_XDECREF(key);
    PyObject *answer = found > 0 ? PyObject_CallMethod(loop->reducer, "is_copy_on_write", "(O)", obj) : NULL;
    if (found > 0) {
        found = answer == NULL ? -1 : PyObject_IsTrue(answer);
    }
    Py_XDECREF(answer);
    return found;
}

static int
put_array(Loop *loop, PyObject *begun, Py_buffer *view, int private)
{
    Buffer *out = &loop->parts->buffer, *text = &loop->scratch;
    text->length = 0;
    int failed = buffer_put(text, PyBytes_AS_STRING(begun), (size_t)PyBytes_GET_SIZE(begun)) < 0;
    for (int place = 0; !failed && place < view->ndim; place++) {
        failed = (place && buffer_put(text, " ", 1) < 0) ||
                 buffer_put_number(text, 0, view->shape[place], place + 1 < view->ndim || view->ndim == 1 ? ',' : ')') < 0;
    }
    if (!failed && view->ndim < 2) {
        failed = buffer_put(text, ")", 1) < 0;
    }
    failed = failed || buffer_put(text, ", True)", 7) < 0 || buffer_put(text, PyBuffer_IsContiguous(view, 'C') ? "C" : "F", 1) < 0;
    if (failed || write_text(out, 'a', text->data, text->length) < 0) {
        return -1;
    }
    if (!view->len) {
        return 0;
    }
    PyObject *range = Py_BuildValue("KKO", (unsigned long long)(uintptr_t)view->buf, (unsigned long long)((uintptr_t)view->buf + (size_t)view->len), private ? Py_True : Py_False);
    failed = range == NULL || PyList_Append(loop->ranges, range) < 0;
    Py_XDECREF(range);
    return failed ? -1 : put_digest(out, view->buf, (size_t)view->len);
}

/* 1: it was written; 0: it is for Python; -1: an error. */
static int
write_array(Loop *loop, PyObject *obj, int private)
{
    PyObject *dtype = PyObject_GetAttrString(obj, "dtype");
    PyObject *begun = dtype == NULL ? NULL : beginning(loop, dtype);
    int usable = begun == NULL ? -1 : begun != Py_None;
    usable = usable > 0 ? is_of_arrays(obj) : usable;
    Py_buffer view;
    if (usable > 0 && PyObject_GetBuffer(obj, &view, PyBUF_STRIDES) < 0) {
        PyErr_Clear();
        usable = 0;
    }
    else if (usable > 0) {
        usable = !view.readonly && (view.len > 0 || !private) && view.len <= SMALL_BYTES && view.ndim <= DIMENSIONS_MOST && PyBuffer_IsContiguous(&view, 'A');
        if (usable && put_array(loop, begun, &view, private) < 0) {
            usable = -1;
        }
        PyBuffer_Release(&view);
    }
    Py_XDECREF(begun);
    Py_XDECREF(dtype);
    return usable;
}

int
visit_array(Loop *loop, PyObject *obj, Kind *kind)
{
    int private = is_private(loop, obj);
    if (private < 0 || (!private && number_it(loop, obj) < 0)) {
        return -1;
    }
    int written = write_array(loop, obj, private);
    if (written == 0 && private && number_it(loop, obj) < 0) {
        return -1;
    }
    return written < 0 ? -1 : written ? 0 : ask_handler(loop, kind->handler, obj);
}
