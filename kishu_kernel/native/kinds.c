/* What one run of the loop knows of the types that it has met. */
#include "native.h"

static size_t
home_of(const Kinds *kinds, PyTypeObject *kind)
{
    return (size_t)(((uint64_t)(uintptr_t)kind >> 4) * 0x9E3779B97F4A7C15ULL >> 32) & kinds->mask;
}

static Kind **
slot_of(Kinds *kinds, PyTypeObject *kind)
{
    size_t place = home_of(kinds, kind);
    while (kinds->slots[place] != NULL && kinds->slots[place]->kind != kind) {
        place = (place + 1) & kinds->mask;
    }
    return &kinds->slots[place];
}

static int
kinds_grow(Kinds *kinds)
{
    Kinds before = *kinds;
    size_t slots = before.slots ? (before.mask + 1) * 2 : 32;
    kinds->slots = PyMem_Calloc(slots, sizeof(Kind *));
    if (kinds->slots == NULL) {
        kinds->slots = before.slots;
        PyErr_NoMemory();
        return -1;
    }
    kinds->mask = slots - 1;
    for (size_t place = 0; before.slots && place <= before.mask; place++) {
        if (before.slots[place] != NULL) {
            *slot_of(kinds, before.slots[place]->kind) = before.slots[place];
        }
    }
    PyMem_Free(before.slots);
    return 0;
}

/* What is known of a type, which is kept alive by it. NULL: no memory. */
Kind *
kinds_get(Kinds *kinds, PyTypeObject *type)
{
    if (kinds->last != NULL && kinds->last->kind == type) {
        return kinds->last;
    }
    if ((kinds->slots == NULL || kinds->count * 2 >= kinds->mask) && kinds_grow(kinds) < 0) {
        return NULL;
    }
    Kind **slot = slot_of(kinds, type);
    if (*slot == NULL) {
        *slot = PyMem_Calloc(1, sizeof(Kind));
        if (*slot == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        (*slot)->kind = (PyTypeObject *)Py_NewRef(type);
        kinds->count++;
    }
    kinds->last = *slot;
    return *slot;
}

static void
forget_names(Kind *kind)
{
    Py_ssize_t count = kind->names_count;
    PyObject **names = kind->names;
    kind->names = NULL;
    kind->names_count = 0;
    for (Py_ssize_t place = 0; place < count; place++) {
        Py_DECREF(names[place]);
    }
    PyMem_Free(names);
    PyMem_Free(kind->text);
    kind->text = NULL;
}

void
kinds_free(Kinds *kinds)
{
    for (size_t place = 0; kinds->slots && place <= kinds->mask; place++) {
        Kind *kind = kinds->slots[place];
        if (kind != NULL) {
            forget_names(kind);
            Py_XDECREF(kind->handler);
            Py_XDECREF(kind->reference);
            Py_XDECREF(kind->rule);
            Py_XDECREF(kind->beginning);
            Py_DECREF(kind->kind);
            PyMem_Free(kind);
        }
    }
    PyMem_Free(kinds->slots);
    memset(kinds, 0, sizeof(*kinds));
}

static int
is_ordinary(PyObject *name)
{
    return name != NULL && PyUnicode_CheckExact(name) && PyUnicode_CompareWithASCIIString(name, "__getstate__") != 0 &&
           PyUnicode_CompareWithASCIIString(name, "__reduce_ex__") != 0;
}

/* Writes the names of an instance's attributes; ASK_PYTHON where they are not just names. Most instances of a type have the
 * names of the one before.
 */
int
kind_put_names(Kind *kind, Buffer *out, Buffer *scratch, PyObject *const *names, Py_ssize_t count)
{
    if (kind->text != NULL && kind->names_count == count && memcmp(kind->names, names, (size_t)count * sizeof(PyObject *)) == 0) {
        return buffer_put(out, kind->text, kind->text_length) < 0 ? FAILED : WRITTEN;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        if (!is_ordinary(names[place])) {
            return ASK_PYTHON;
        }
    }
    PyObject **kept = PyMem_Malloc((size_t)count * sizeof(PyObject *));
    if (kept == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        kept[place] = Py_NewRef(names[place]);
    }
    forget_names(kind);
    kind->names = kept;
    kind->names_count = count;
    size_t start = out->length;
    int written = write_plain(out, scratch, kept, count);
    kind->text_length = out->length - start;
    kind->text = written == WRITTEN ? PyMem_Malloc(kind->text_length) : NULL;
    if (kind->text != NULL) {
        memcpy(kind->text, out->data + start, kind->text_length);
    }
    return written;
}
