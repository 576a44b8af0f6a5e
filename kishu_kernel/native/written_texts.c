/* Texts of an array, to be stored as one, or by numbers where few are different: the native twin of
 * `objects/codec/joined_texts`. No code runs meanwhile.
 */
#include "native.h"

/* -- as one ---------------------------------------------------------------------------------------------- */

#define JOINED_AHEAD 12

/* How long they are together, with a byte between two; -1: not all are texts of ASCII; -2: not all are texts. */
static Py_ssize_t
ascii_length(PyObject *items)
{
    Py_ssize_t length = Py_SIZE(items) ? Py_SIZE(items) - 1 : 0;
    int all_ascii = 1;
    for (Py_ssize_t place = 0; place < Py_SIZE(items); place++) {
        if (place + JOINED_AHEAD < Py_SIZE(items)) {
            fetch(PyList_GET_ITEM(items, place + JOINED_AHEAD));
        }
        PyObject *item = PyList_GET_ITEM(items, place);
        if (!PyUnicode_CheckExact(item)) {
            return -2;
        }
        all_ascii = all_ascii && PyUnicode_IS_COMPACT_ASCII(item);
        length += all_ascii ? PyUnicode_GET_LENGTH(item) : 0;
    }
    return all_ascii ? length : -1;
}

static PyObject *
joined_ascii(PyObject *items, char separator, Py_ssize_t length)
{
    PyObject *joined = PyBytes_FromStringAndSize(NULL, length);
    char *at = joined == NULL ? NULL : PyBytes_AS_STRING(joined);
    for (Py_ssize_t place = 0; at != NULL && place < Py_SIZE(items); place++) {
        PyObject *item = PyList_GET_ITEM(items, place);
        size_t each = (size_t)PyUnicode_GET_LENGTH(item);
        if (place) {
            *at++ = separator;
        }
        memcpy(at, PyUnicode_DATA(item), each);
        at += each;
    }
    return joined;
}

static PyObject *
joined_utf8(PyObject *items, char separator)
{
    Buffer out = {0};
    int failed = 0;
    for (Py_ssize_t place = 0; !failed && place < Py_SIZE(items); place++) {
        failed = (place && buffer_put(&out, &separator, 1) < 0) || buffer_put_utf8(&out, PyList_GET_ITEM(items, place)) < 0;
    }
    PyObject *joined = failed ? NULL : PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.length);
    buffer_free(&out);
    return joined;
}

/* join_texts(list, separator): the texts with a byte between two; None: not all are texts, or that byte is in one. */
PyObject *
texts_join(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *items;
    Py_buffer separator;
    if (!PyArg_ParseTuple(arguments, "O!y*", &PyList_Type, &items, &separator)) {
        return NULL;
    }
    char byte = separator.len == 1 ? *(const char *)separator.buf : 0;
    PyBuffer_Release(&separator);
    Py_ssize_t length = ascii_length(items);
    if (length == -2) {
        Py_RETURN_NONE;
    }
    PyObject *joined = length < 0 ? joined_utf8(items, byte) : joined_ascii(items, byte, length);
    if (joined != NULL && Py_SIZE(items) &&
        count_bytes(PyBytes_AS_STRING(joined), (size_t)PyBytes_GET_SIZE(joined), byte) != (size_t)Py_SIZE(items) - 1) {
        Py_DECREF(joined);
        Py_RETURN_NONE;
    }
    return joined;
}

/* -- by numbers ------------------------------------------------------------------------------------------ */

#define MOST 1024 /* as `codec.strings.MOST_KINDS` */
#define SLOTS (4 * MOST)

typedef struct {
    uint64_t hash;
    PyObject *item; /* borrowed: the array holds it */
    uint16_t number;
} Numbered;

static inline int
is_text(PyObject *item)
{
    return PyUnicode_CheckExact(item) && PyUnicode_IS_COMPACT(item);
}

static inline size_t
text_bytes(PyObject *item)
{
    return (size_t)PyUnicode_GET_LENGTH(item) * (size_t)PyUnicode_KIND(item);
}

/* Of all that tells equal texts from others, or of where an object is that is none. */
static uint64_t
hash_of(PyObject *item)
{
    if (!is_text(item)) {
        return xxh3_64((const uint8_t *)&item, sizeof(item));
    }
    size_t length = text_bytes(item);
    return xxh3_64(PyUnicode_DATA(item), length < XXH3_MOST ? length : XXH3_MOST);
}

static inline int
are_same(PyObject *one, PyObject *other)
{
    return one == other || (is_text(one) && is_text(other) && PyUnicode_KIND(one) == PyUnicode_KIND(other) &&
                            PyUnicode_GET_LENGTH(one) == PyUnicode_GET_LENGTH(other) &&
                            memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other), text_bytes(one)) == 0);
}

/* Writes a number for each; how many are different, -1: more than `most`, or a place is empty. */
static Py_ssize_t
put_numbers(PyObject *const *items, Py_ssize_t count, Py_ssize_t most, Numbered *slots, uint8_t *numbers, PyObject **kinds)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t place = 0; place < count; place++) {
        if (place + AHEAD < count) {
            fetch(items[place + AHEAD]);
        }
        PyObject *item = items[place];
        if (item == NULL) { /* what made it in C has left it empty; to NumPy it is None */
            return -1;
        }
        uint64_t hash = hash_of(item);
        size_t slot = (size_t)hash % SLOTS;
        while (slots[slot].item != NULL && (slots[slot].hash != hash || !are_same(slots[slot].item, item))) {
            slot = (slot + 1) % SLOTS;
        }
        if (slots[slot].item == NULL) {
            if (found == most) {
                return -1;
            }
            kinds[found] = item;
            slots[slot] = (Numbered){hash, item, (uint16_t)found++};
        }
        numbers[2 * place] = (uint8_t)(slots[slot].number & 0xff);
        numbers[2 * place + 1] = (uint8_t)(slots[slot].number >> 8);
    }
    return found;
}

static PyObject *
numbered(PyObject *const *items, Py_ssize_t count, Py_ssize_t most)
{
    PyObject *numbers = PyByteArray_FromStringAndSize(NULL, 2 * count), *list = NULL, *kinds[MOST];
    Numbered *slots = PyMem_Calloc(SLOTS, sizeof(Numbered));
    if (numbers == NULL || slots == NULL) {
        Py_XDECREF(numbers);
        PyMem_Free(slots);
        return PyErr_NoMemory();
    }
    Py_ssize_t found = put_numbers(items, count, most, slots, (uint8_t *)PyByteArray_AS_STRING(numbers), kinds);
    PyMem_Free(slots);
    PyObject *both = NULL;
    if (found >= 0 && (list = PyList_New(found)) != NULL) {
        for (Py_ssize_t number = 0; number < found; number++) {
            PyList_SET_ITEM(list, number, Py_NewRef(kinds[number]));
        }
        both = PyTuple_Pack(2, numbers, list);
        Py_DECREF(list);
    }
    Py_DECREF(numbers);
    return found < 0 ? Py_NewRef(Py_None) : both;
}

/* number_texts(array, most): for each object of an array its number, in two bytes, and the objects that these mean, in the order
 * in which they come first; equal texts are one. None: more than `most` are different.
 */
PyObject *
texts_number(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *array, *found = NULL;
    Py_ssize_t most;
    Py_buffer view;
    if (!PyArg_ParseTuple(arguments, "On", &array, &most) ||
        PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        return NULL;
    }
    if (view.format == NULL || strcmp(view.format, "O") != 0) {
        PyErr_SetString(PyExc_TypeError, "objects of an array are numbered");
    }
    else {
        found = numbered(view.buf, view.len / (Py_ssize_t)sizeof(PyObject *), most < MOST ? most : MOST);
    }
    PyBuffer_Release(&view);
    return found;
}
