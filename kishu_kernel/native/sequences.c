/* Short sequences of plain atoms, written in one go: as `detect.walk.sequences.write_plain`. */
#include "native.h"

#define JOINED 16 /* longer sequences of nothing but str are joined */
#define SAMPLE 64

static size_t
size_of(PyObject *obj)
{
    if (PyUnicode_CheckExact(obj)) {
        return (size_t)PyUnicode_GET_LENGTH(obj);
    }
    if (PyBytes_CheckExact(obj)) {
        return (size_t)PyBytes_GET_SIZE(obj);
    }
    return 8; /* larger ints are not written here */
}

static int
write_floats(Buffer *out, Buffer *scratch, PyObject *const *items, Py_ssize_t count)
{
    for (Py_ssize_t place = 0; place < count; place++) {
        double number = PyFloat_AS_DOUBLE(items[place]);
        if (buffer_put(scratch, &number, sizeof(number)) < 0) {
            return FAILED;
        }
    }
    return write_text(out, 'F', scratch->data, scratch->length) < 0 ? FAILED : WRITTEN;
}

static int
write_joined(Buffer *out, Buffer *scratch, PyObject *const *items, Py_ssize_t count)
{
    Buffer lengths = {0};
    int failed = 0;
    for (Py_ssize_t place = 0; !failed && place < count; place++) {
        int64_t length = PyUnicode_GET_LENGTH(items[place]);
        failed = (place && buffer_put(scratch, "", 1) < 0) || buffer_put_utf8(scratch, items[place]) < 0 ||
                 buffer_put(&lengths, &length, sizeof(length)) < 0;
    }
    Py_ssize_t ends = 0;
    for (size_t place = 0; !failed && place < scratch->length; place++) {
        ends += scratch->data[place] == 0;
    }
    if (!failed && ends != count - 1) { /* a NUL inside: where do strings end? */
        failed = write_text(out, 'N', lengths.data, lengths.length) < 0;
    }
    buffer_free(&lengths);
    return failed || write_text(out, 'S', scratch->data, scratch->length) < 0 ? FAILED : WRITTEN;
}

static int
write_reprs(Buffer *out, Buffer *scratch, PyObject *const *items, Py_ssize_t count)
{
    if (buffer_put(scratch, "[", 1) < 0) {
        return FAILED;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        if (place && buffer_put(scratch, ", ", 2) < 0) {
            return FAILED;
        }
        int written = write_repr(scratch, items[place]);
        if (written != WRITTEN) {
            return written;
        }
    }
    if (buffer_put(scratch, "]", 1) < 0) {
        return FAILED;
    }
    return write_text(out, 'R', scratch->data, scratch->length) < 0 ? FAILED : WRITTEN;
}

/* Reads all items before any other code can run. Borrowed references will do. */
int
write_plain(Buffer *out, Buffer *scratch, PyObject *const *items, Py_ssize_t count)
{
    int kinds = 0;
    Py_ssize_t step = count < LONG_SEQUENCE ? 1 : count / SAMPLE; /* of a long one only some are read: Python judges it */
    for (Py_ssize_t place = 0; place < count; place += step) {
        int kind = items[place] == NULL ? 0 : plain_kind(items[place]);
        if (!kind) {
            return NOT_PLAIN;
        }
        kinds |= kind;
    }
    if (count >= LONG_SEQUENCE) {
        return ASK_PYTHON; /* it may know it from an earlier walk */
    }
    size_t largest = 0;
    for (Py_ssize_t place = 0; place < count; place++) {
        size_t size = size_of(items[place]);
        largest = size > largest ? size : largest;
    }
    if (largest * (size_t)count > HEAVY_BYTES) {
        return ASK_PYTHON; /* it might be written by its different items */
    }
    scratch->length = 0;
    if (kinds == PLAIN_FLOAT) {
        return write_floats(out, scratch, items, count);
    }
    if (kinds == PLAIN_STR && count > JOINED) {
        return write_joined(out, scratch, items, count);
    }
    return write_reprs(out, scratch, items, count);
}
