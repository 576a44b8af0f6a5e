/* What several walks have in common: a merge of their memos. */
#include "native.h"

#define NUMBER_BITS 40
#define HALF (1LL << (NUMBER_BITS - 1))

typedef struct {
    int64_t number, position, first;
} Joint;

static int
take(PyObject *const *arguments, Py_ssize_t count, Memo **owners, Memo **links, long long *position)
{
    if (count != 3 || Py_TYPE(arguments[0]) != &MemoType) {
        PyErr_SetString(PyExc_TypeError, "takes a Memo of owners, links and a position");
        return -1;
    }
    *position = PyLong_AsLongLong(arguments[2]);
    if (*position == -1 && PyErr_Occurred()) {
        return -1;
    }
    *owners = (Memo *)arguments[0];
    *links = memo_from(arguments[1]);
    return *links == NULL ? -1 : 0;
}

/* Where nobody owns anything yet, all of it is this one's: the table is taken as it is. 1: so it is; 0: somebody owns
 * something; -1: no memory.
 */
static int
take_all(Memo *owners, const Memo *links, int64_t value, int numbered)
{
    if (owners->count || owners == links || links->mask == 0) {
        return 0;
    }
    size_t slots = links->mask + 1;
    Slot *taken = PyMem_Malloc(slots * sizeof(Slot));
    if (taken == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t place = 0; place < slots; place++) {
        taken[place].key = links->slots[place].key;
        taken[place].value = value + (numbered ? links->slots[place].value : 0);
    }
    PyMem_Free(owners->slots);
    owners->slots = taken;
    owners->mask = links->mask;
    owners->count = links->count;
    return 1;
}

/* claim(owners, links, position): a set of the positions that own some of these; what nobody owns is from now on this one's. */
PyObject *
links_claim(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *owners, *links;
    long long position, last = -1;
    if (take(arguments, count, &owners, &links, &position) < 0) {
        return NULL;
    }
    PyObject *found = PySet_New(NULL);
    int all = found == NULL ? -1 : take_all(owners, links, position, 0);
    if (all < 0) {
        Py_CLEAR(found);
    }
    for (size_t place = 0; !all && found != NULL && links->mask && place <= links->mask; place++) {
        uintptr_t key = links->slots[place].key;
        Slot *slot = key ? memo_find(owners, key) : NULL;
        int failed = 0;
        if (slot == NULL) {
            failed = key ? memo_insert(owners, key, position) < 0 : 0;
        }
        else if (slot->value != position && slot->value != last) {
            PyObject *other = PyLong_FromLongLong(last = slot->value);
            failed = other == NULL || PySet_Add(found, other) < 0;
            Py_XDECREF(other);
        }
        if (failed) {
            Py_CLEAR(found);
        }
    }
    Py_DECREF(links);
    return found;
}

static int
in_order(const void *one, const void *other)
{
    const Joint *left = one, *right = other;
    int negative = (left->number < 0) - (right->number < 0); /* attributes come last, as they are numbered */
    int64_t magnitude = (left->number < 0 ? -left->number : left->number) - (right->number < 0 ? -right->number : right->number);
    int64_t differs = negative ? negative : magnitude ? magnitude : left->position - right->position;
    differs = differs ? differs : left->first - right->first;
    return (differs > 0) - (differs < 0);
}

/* Numbers are mostly few more than there are joints: then each has a place, and what is left to sort is next to nothing. */
static int
by_places(Joint *joints, Py_ssize_t count)
{
    int64_t least = 0, most = 0;
    for (Py_ssize_t place = 0; place < count; place++) {
        least = joints[place].number < least ? joints[place].number : least;
        most = joints[place].number > most ? joints[place].number : most;
    }
    if (count < 64 || most - least > 16 * (int64_t)count) {
        return 0;
    }
    size_t size = (size_t)(most - least) + 2;
    Py_ssize_t *ends = PyMem_Calloc(size, sizeof(Py_ssize_t));
    Joint *sorted = PyMem_Malloc((size_t)count * sizeof(Joint));
    int done = ends != NULL && sorted != NULL;
    if (done) {
#define RANK(number) ((size_t)((number) < 0 ? most - (number) : (number))) /* those below zero come last, by magnitude */
        for (Py_ssize_t place = 0; place < count; place++) {
            ends[RANK(joints[place].number)]++;
        }
        for (size_t rank = 1; rank < size; rank++) {
            ends[rank] += ends[rank - 1];
        }
        for (Py_ssize_t place = count; place-- > 0;) {
            sorted[--ends[RANK(joints[place].number)]] = joints[place];
        }
        for (Py_ssize_t place = 1; place < count; place++) { /* of one number there are few */
            Joint joint = sorted[place];
            Py_ssize_t before = place;
            for (; before > 0 && in_order(&sorted[before - 1], &joint) > 0; before--) {
                sorted[before] = sorted[before - 1];
            }
            sorted[before] = joint;
        }
        memcpy(joints, sorted, (size_t)count * sizeof(Joint));
    }
    PyMem_Free(ends);
    PyMem_Free(sorted);
    return done;
}

static PyObject *
written(Joint *joints, Py_ssize_t count)
{
    Buffer out = {0};
    int failed = 0;
    if (!by_places(joints, count)) {
        qsort(joints, (size_t)count, sizeof(Joint), in_order);
    }
    for (Py_ssize_t place = 0; !failed && place < count; place++) {
        failed = (place && buffer_put(&out, "|", 1) < 0) || buffer_put_number(&out, 0, joints[place].number, ':') < 0 ||
                 buffer_put_number(&out, 0, joints[place].position, '>') < 0 ||
                 buffer_put_number(&out, 0, joints[place].first, ';') < 0;
    }
    PyObject *bytes = failed ? NULL : PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.length);
    buffer_free(&out);
    return bytes;
}

/* join(owners, links, position): `number:position>first;` for each of these that another one owns; the rest is this one's. */
PyObject *
links_join(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *owners, *links;
    long long position;
    if (take(arguments, count, &owners, &links, &position) < 0) {
        return NULL;
    }
    Joint *joints = PyMem_Malloc((size_t)(links->count + 1) * sizeof(Joint));
    Py_ssize_t found = 0;
    int all = joints == NULL ? -1 : take_all(owners, links, (int64_t)(position << NUMBER_BITS) + HALF, 1);
    int failed = all < 0;
    for (size_t place = 0; !failed && !all && links->mask && place <= links->mask; place++) {
        uintptr_t key = links->slots[place].key;
        int64_t number = links->slots[place].value;
        Slot *slot = key ? memo_find(owners, key) : NULL;
        if (slot == NULL) {
            failed = key ? memo_insert(owners, key, (int64_t)(position << NUMBER_BITS) + number + HALF) < 0 : 0;
        }
        else if (slot->value >> NUMBER_BITS != position) {
            int64_t first = (slot->value & ((1LL << NUMBER_BITS) - 1)) - HALF;
            joints[found++] = (Joint){number, slot->value >> NUMBER_BITS, first};
        }
    }
    PyObject *bytes = failed ? (PyErr_Occurred() ? NULL : PyErr_NoMemory()) : written(joints, found);
    PyMem_Free(joints);
    Py_DECREF(links);
    return bytes;
}
