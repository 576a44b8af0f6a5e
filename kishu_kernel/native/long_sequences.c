/* Long sequences of plain atoms, written as `detect.walk.sequences.write_plain` writes them, and known again: nothing of the
 * length of their content is made.
 */
#include "native.h"

#define PIECE (1 << 17)
#define LEAST 256 /* items: of so many at least, content is written as its digest */

typedef struct {
    PyObject *hasher;
    Buffer piece; /* what it has not been given yet */
    long long length;
    size_t ends; /* texts that end in the piece, with a NUL before the next one */
} Content;

/* Other threads may run meanwhile. ASK_PYTHON: there is a NUL inside of a text. */
static int
hand_on(Content *c, char way)
{
    if (way == 'S' && count_bytes(c->piece.data, c->piece.length, 0) != c->ends) {
        return ASK_PYTHON;
    }
    c->ends = 0;
    PyObject *view = PyMemoryView_FromMemory(c->piece.data, (Py_ssize_t)c->piece.length, PyBUF_READ);
    PyObject *done = view == NULL ? NULL : PyObject_CallMethod(c->hasher, "update", "O", view);
    c->length += (long long)c->piece.length;
    c->piece.length = 0;
    Py_XDECREF(view);
    Py_XDECREF(done);
    return done == NULL ? FAILED : WRITTEN;
}

/* The next text of a sequence of texts, with a NUL between two. */
static int
add_text(Content *c, PyObject *item, int is_first)
{
    if (!PyUnicode_CheckExact(item)) {
        return NOT_PLAIN;
    }
    c->ends += !is_first;
    return (!is_first && buffer_put(&c->piece, "", 1) < 0) || buffer_put_utf8(&c->piece, item) < 0 ? FAILED : WRITTEN;
}

static int
add_float(Content *c, PyObject *item)
{
    if (!PyFloat_CheckExact(item)) {
        return NOT_PLAIN;
    }
    double number = PyFloat_AS_DOUBLE(item);
    return buffer_put(&c->piece, &number, sizeof(number)) < 0 ? FAILED : WRITTEN;
}

static int
add_repr(Content *c, PyObject *item, int is_first)
{
    if (!plain_kind(item)) {
        return ASK_PYTHON;
    }
    return buffer_put(&c->piece, is_first ? "[" : ", ", is_first ? 1 : 2) < 0 ? FAILED : write_repr(&c->piece, item);
}

/* All items in one way: 'S', texts; 'F', floats; 'R', what any plain atom is. NOT_PLAIN: this is not the way. */
static int
add_all(Content *c, PyObject *items, char way)
{
    int is_list = PyList_CheckExact(items), done = WRITTEN;
    for (Py_ssize_t place = 0; done == WRITTEN && place < Py_SIZE(items); place++) {
        PyObject **all = is_list ? ((PyListObject *)items)->ob_item : ((PyTupleObject *)items)->ob_item;
        if (place + AHEAD < Py_SIZE(items)) {
            fetch(all[place + AHEAD]);
        }
        PyObject *item = all[place];
        done = way == 'S' ? add_text(c, item, place == 0) : way == 'F' ? add_float(c, item) : add_repr(c, item, place == 0);
        if (done == WRITTEN && c->piece.length >= PIECE) {
            done = hand_on(c, way);
        }
    }
    if (done == WRITTEN && way == 'R' && buffer_put(&c->piece, "]", 1) < 0) {
        return FAILED;
    }
    return done == WRITTEN ? hand_on(c, way) : done;
}

static PyObject *
written(PyObject *items, char way, int *done)
{
    Content content = {.hasher = PyObject_CallNoArgs(xxh3_128_stream)};
    PyObject *digest = NULL, *found = NULL;
    *done = content.hasher == NULL ? FAILED : add_all(&content, items, way);
    if (*done == WRITTEN) {
        digest = PyObject_CallMethod(content.hasher, "digest", NULL);
        Buffer out = {0};
        int failed = digest == NULL || buffer_put_number(&out, way, content.length, ':') < 0 ||
                     buffer_put(&out, PyBytes_AS_STRING(digest), (size_t)PyBytes_GET_SIZE(digest)) < 0;
        found = failed ? NULL : PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.length);
        buffer_free(&out);
    }
    Py_XDECREF(digest);
    Py_XDECREF(content.hasher);
    buffer_free(&content.piece);
    return found;
}

/* content(items): how a list or a tuple of many plain atoms is written, which nobody else may change meanwhile; None: Python
 * knows.
 */
PyObject *
sequence_content(PyObject *Py_UNUSED(module), PyObject *items)
{
    if (!(PyList_CheckExact(items) || PyTuple_CheckExact(items)) || Py_SIZE(items) < LEAST) {
        Py_RETURN_NONE;
    }
    PyObject *first = PyList_CheckExact(items) ? PyList_GET_ITEM(items, 0) : PyTuple_GET_ITEM(items, 0), *found;
    char way = PyUnicode_CheckExact(first) ? 'S' : PyFloat_CheckExact(first) ? 'F' : 'R';
    int done;
    found = written(items, way, &done);
    if (done == NOT_PLAIN) {
        found = written(items, 'R', &done);
    }
    return found != NULL || done == FAILED || PyErr_Occurred() ? found : Py_NewRef(Py_None);
}

/* holds(tuple, list): whether the list holds the objects of the tuple, in its order. */
PyObject *
sequence_holds(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyTuple_CheckExact(arguments[0]) || !PyList_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "holds(tuple, list)");
        return NULL;
    }
    size_t size = (size_t)Py_SIZE(arguments[0]) * sizeof(PyObject *);
    int same = Py_SIZE(arguments[0]) == Py_SIZE(arguments[1]) &&
               memcmp(((PyTupleObject *)arguments[0])->ob_item, ((PyListObject *)arguments[1])->ob_item, size) == 0;
    return PyBool_FromLong(same);
}

/* untrack(tuple): no collection is to go through a tuple of nothing but plain atoms, as the first one that does would find. */
PyObject *
sequence_untrack(PyObject *Py_UNUSED(module), PyObject *items)
{
    if (PyTuple_CheckExact(items) && PyObject_GC_IsTracked(items)) {
        PyObject_GC_UnTrack(items);
    }
    Py_RETURN_NONE;
}
