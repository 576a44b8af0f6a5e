/* Texts that were stored as one, taken apart: the native twin of `objects/rebuild/texts`, which says what it gives. */
#include "native.h"

#define SAMPLE 4096 /* as in `rebuild.texts` */
#define SHORT 64
#define SHARE 8
#define SLOTS (4 * SAMPLE / SHARE)

typedef struct {
    const char *start;
    size_t length;
    PyObject *text; /* NULL: not made yet */
} Known;

typedef struct {
    Known slots[SLOTS]; /* those of the sample that are short, each once; free slots have no start */
    char separator;
    const char *at, *end;
} Texts;

/* The next one; 0: there is none. What is behind a separator at the end is one, too. */
static int
next_text(Texts *t, const char **start, size_t *length)
{
    if (t->at == NULL) {
        return 0;
    }
    const char *stop = t->at;
    while (stop < t->end && *stop != t->separator) { /* mostly it is not far */
        stop++;
    }
    *start = t->at;
    *length = (size_t)(stop - t->at);
    t->at = stop == t->end ? NULL : stop + 1;
    return 1;
}

/* Its slot, or the free one where it would stand. */
static Known *
find(Texts *t, const char *start, size_t length)
{
    size_t place = (size_t)xxh3_64((const uint8_t *)start, length) % SLOTS;
    Known *found = &t->slots[place];
    while (found->start != NULL && (found->length != length || memcmp(found->start, start, length) != 0)) {
        place = (place + 1) % SLOTS;
        found = &t->slots[place];
    }
    return found;
}

/* Whether few of the sample are different, which are then known. */
static int
are_few(Texts *t)
{
    const char *begin = t->at, *start;
    size_t length, count = 0, different = 0;
    while (count < SAMPLE && different * SHARE <= SAMPLE && next_text(t, &start, &length)) {
        count++;
        Known *found = length > SHORT ? NULL : find(t, start, length);
        if (found == NULL) {
            different++;
        }
        else if (found->start == NULL) {
            found->start = start;
            found->length = length;
            different++;
        }
    }
    t->at = begin;
    return different * SHARE <= count;
}

static PyObject *
made(const char *start, size_t length)
{
    size_t plain = 0;
    while (plain < length && !(start[plain] & 0x80)) {
        plain++;
    }
    if (plain < length || length < 2) { /* a text of one character may be the only one of its kind */
        return PyUnicode_DecodeUTF8(start, (Py_ssize_t)length, "surrogatepass");
    }
    PyObject *text = PyUnicode_New((Py_ssize_t)length, 127);
    if (text != NULL) {
        memcpy(PyUnicode_DATA(text), start, length);
    }
    return text;
}

static PyObject *
known_or_made(Texts *t, const char *start, size_t length)
{
    Known *known = length > SHORT ? NULL : find(t, start, length);
    if (known == NULL || known->start == NULL) {
        return made(start, length);
    }
    if (known->text == NULL) {
        known->text = made(start, length);
    }
    return Py_XNewRef(known->text);
}

/* Puts texts in places that hold other objects; there have to be as many. */
static int
fill(Texts *t, PyObject **places, Py_ssize_t count)
{
    int few = are_few(t);
    Py_ssize_t found = 0;
    const char *start;
    size_t length;
    for (; next_text(t, &start, &length); found++) {
        if (found >= count) {
            continue;
        }
        PyObject *text = few ? known_or_made(t, start, length) : made(start, length), *before = places[found];
        if (text == NULL) {
            return FAILED;
        }
        places[found] = text;
        Py_XDECREF(before);
    }
    if (found != count) {
        PyErr_Format(PyExc_ValueError, "there are %zd texts for %zd places", found, count);
    }
    return found == count ? WRITTEN : FAILED;
}

static int
fill_array(Texts *t, PyObject *array)
{
    Py_buffer view;
    if (PyObject_GetBuffer(array, &view, PyBUF_CONTIG | PyBUF_FORMAT) < 0) {
        return FAILED;
    }
    int done = FAILED;
    if (view.format == NULL || strcmp(view.format, "O") != 0) {
        PyErr_SetString(PyExc_TypeError, "texts are put in an array of objects");
    }
    else {
        done = fill(t, view.buf, view.len / (Py_ssize_t)sizeof(PyObject *));
    }
    PyBuffer_Release(&view);
    return done;
}

/* fill_texts(array, data, separator): puts the texts that stand in `data` in an array of objects, one in each place. `separator`
 * is an ASCII character, as a byte.
 */
PyObject *
texts_fill(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *array;
    Py_buffer data, separator;
    if (!PyArg_ParseTuple(arguments, "Oy*y*", &array, &data, &separator)) {
        return NULL;
    }
    int done = FAILED;
    Texts *texts = PyMem_Calloc(1, sizeof(Texts));
    if (texts == NULL) {
        PyErr_NoMemory();
    }
    else if (separator.len != 1) {
        PyErr_SetString(PyExc_ValueError, "texts are taken apart at one byte");
    }
    else {
        texts->separator = *(const char *)separator.buf;
        texts->at = data.buf;
        texts->end = texts->at + data.len;
        done = fill_array(texts, array);
        for (int place = 0; place < SLOTS; place++) {
            Py_XDECREF(texts->slots[place].text);
        }
    }
    PyMem_Free(texts);
    PyBuffer_Release(&data);
    PyBuffer_Release(&separator);
    return done < 0 ? NULL : Py_NewRef(Py_None);
}
