/* Where a pickle stream is cut: the native twin of `store/format/chunking`, which says why it is cut there. */
#include "native.h"

#define NARROW 4
#define WINDOW 64

typedef struct {
    const uint8_t *data, *tables[NARROW];
    Py_ssize_t length, least, most;
    uint32_t mask, sums[256];
} Cutting;

static void
make_sums(uint32_t *sums)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) {
            sum = sum & 1 ? sum >> 1 ^ 0xEDB88320u : sum >> 1;
        }
        sums[byte] = sum;
    }
}

/* zlib's CRC-32 of the window before a place. */
static uint32_t
checksum(const Cutting *c, Py_ssize_t place)
{
    uint32_t sum = 0xFFFFFFFFu;
    for (Py_ssize_t at = place - WINDOW; at < place; at++) {
        sum = c->sums[(sum ^ c->data[at]) & 0xFF] ^ sum >> 8;
    }
    return sum ^ 0xFFFFFFFFu;
}

/* The next cut behind the one before; -1 where there is none. */
static Py_ssize_t
next_cut(const Cutting *c, Py_ssize_t last)
{
    Py_ssize_t stop = c->length - last < c->most ? c->length : last + c->most;
    for (Py_ssize_t place = last + c->least; place <= stop; place++) {
        const uint8_t *before = c->data + place - NARROW;
        uint8_t hash = c->tables[0][before[0]] ^ c->tables[1][before[1]] ^ c->tables[2][before[2]] ^ c->tables[3][before[3]];
        if (hash == 0 && (checksum(c, place) & c->mask) == 0) {
            return place;
        }
    }
    return c->length - last > c->most ? last + c->most : -1;
}

/* cuts(data, tables, least, most, mask): the places of the cuts in bytes that begin at a cut. Lets other threads run. */
PyObject *
cuts_find(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *data, *tables;
    Cutting c;
    unsigned int mask;
    if (!PyArg_ParseTuple(arguments, "SSnnI", &data, &tables, &c.least, &c.most, &mask)) {
        return NULL;
    }
    if (PyBytes_GET_SIZE(tables) != 256 * NARROW || c.least < WINDOW || c.most < c.least) {
        PyErr_SetString(PyExc_ValueError, "four tables, and at least a window between two cuts");
        return NULL;
    }
    c.data = (const uint8_t *)PyBytes_AS_STRING(data);
    c.length = PyBytes_GET_SIZE(data);
    c.mask = mask;
    for (int table = 0; table < NARROW; table++) {
        c.tables[table] = (const uint8_t *)PyBytes_AS_STRING(tables) + 256 * table;
    }
    make_sums(c.sums);
    Py_ssize_t room = c.length / c.least + 1, count = 0, last = 0;
    Py_ssize_t *places = PyMem_Malloc((size_t)room * sizeof(Py_ssize_t));
    if (places == NULL) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS;
    while (count < room && (last = next_cut(&c, last)) >= 0) {
        places[count++] = last;
    }
    Py_END_ALLOW_THREADS;
    PyObject *found = PyList_New(count);
    for (Py_ssize_t place = 0; found != NULL && place < count; place++) {
        PyObject *number = PyLong_FromSsize_t(places[place]);
        if (number == NULL) {
            Py_CLEAR(found);
        }
        else {
            PyList_SET_ITEM(found, place, number);
        }
    }
    PyMem_Free(places);
    return found;
}
