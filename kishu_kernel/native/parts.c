/* What a walk has written, as far as it was not handed on to be hashed. */
#include "native.h"

static PyObject *
parts_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    if (!PyArg_ParseTuple(arguments, ":Parts")) {
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static void
parts_dealloc(Parts *self)
{
    buffer_free(&self->buffer);
    Py_CLEAR(self->hasher);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
parts_append(Parts *self, PyObject *piece)
{
    Py_buffer view;
    if (PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int failed = buffer_put(&self->buffer, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *
parts_since(Parts *self, PyObject *place)
{
    size_t start = PyLong_AsSize_t(place);
    if (start == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (start < self->flushed || start > self->flushed + self->buffer.length) {
        PyErr_SetString(PyExc_ValueError, "what was written there was handed on already");
        return NULL;
    }
    start -= self->flushed;
    return PyBytes_FromStringAndSize(self->buffer.data + start, (Py_ssize_t)(self->buffer.length - start));
}

/* Hands on all that was written. The buffer is emptied first: other code may run meanwhile, and write. */
int
parts_flush(Parts *self)
{
    PyObject *piece = PyBytes_FromStringAndSize(self->buffer.data, (Py_ssize_t)self->buffer.length);
    if (piece == NULL) {
        return -1;
    }
    if (self->hasher == NULL && (self->hasher = PyObject_CallNoArgs(xxh3_128_stream)) == NULL) {
        Py_DECREF(piece);
        return -1;
    }
    self->flushed += self->buffer.length;
    self->buffer.length = 0;
    PyObject *done = PyObject_CallMethod(self->hasher, "update", "O", piece);
    Py_DECREF(piece);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
parts_digest(Parts *self, PyObject *Py_UNUSED(ignored))
{
    if (parts_flush(self) < 0) {
        return NULL;
    }
    return PyObject_CallMethod(self->hasher, "digest", NULL);
}

static Py_ssize_t
parts_length(Parts *self)
{
    return (Py_ssize_t)(self->flushed + self->buffer.length);
}

static PyMethodDef parts_methods[] = {
    {"append", (PyCFunction)parts_append, METH_O, "Writes bytes."},
    {"since", (PyCFunction)parts_since, METH_O, "What was written since `len` gave this."},
    {"digest", (PyCFunction)parts_digest, METH_NOARGS, "xxh3-128 of all that was written."},
    {NULL},
};

static PySequenceMethods parts_as_sequence = {.sq_length = (lenfunc)parts_length};

PyTypeObject PartsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kishu_kernel.native.walker.Parts",
    .tp_basicsize = sizeof(Parts),
    .tp_dealloc = (destructor)parts_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What a walk writes. Its length grows with it.",
    .tp_as_sequence = &parts_as_sequence,
    .tp_methods = parts_methods,
    .tp_new = parts_new,
};
