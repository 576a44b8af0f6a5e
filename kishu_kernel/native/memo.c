/* Numbers by address: which objects a walk has met, and the number of each in the order of the meetings.
 *
 * Open addressing. Objects that lie beside each other in memory have slots beside each other: a walk meets them one
 * after the other, and the processor has the slots at hand.
 */
#include "native.h"

#define BLOCK_BITS 12
#define MANY (1 << 14) /* from here on fresh memory costs more than to put all in their places again */

static inline size_t
home_of(const Memo *memo, uintptr_t key)
{
    uint64_t place = (uint64_t)key >> 4;
    uint64_t block = (place >> BLOCK_BITS) * 0x9E3779B97F4A7C15ULL;
    return (size_t)(place + (block >> 24) + ((uint64_t)key & 15) * 0x2545F491ULL) & memo->mask;
}

/* The slot of a key, or the free one where it would stand. There must be slots. */
static inline Slot *
slot_of(Memo *memo, uintptr_t key)
{
    size_t place = home_of(memo, key);
    while (memo->slots[place].key != key && memo->slots[place].key != 0) {
        place = (place + 1) & memo->mask;
    }
    return &memo->slots[place];
}

static int
memo_grow(Memo *memo)
{
    Slot *before = memo->slots;
    size_t old = memo->mask ? memo->mask + 1 : 0, slots = old ? old * (memo->count > MANY ? 2 : 4) : 16;
    Slot *now = slots_new(slots);
    if (now == NULL) {
        return -1;
    }
    memo->slots = now;
    memo->mask = slots - 1;
    for (size_t place = 0; place < old; place++) {
        if (before[place].key) {
            *slot_of(memo, before[place].key) = before[place];
        }
    }
    slots_free(before, old);
    return 0;
}

Slot *
memo_find(Memo *memo, uintptr_t key)
{
    if (memo->mask == 0 || key == 0) {
        return NULL;
    }
    Slot *slot = slot_of(memo, key);
    return slot->key ? slot : NULL;
}

int
memo_insert(Memo *memo, uintptr_t key, int64_t value)
{
    if ((size_t)memo->count * 2 >= memo->mask && memo_grow(memo) < 0) {
        return -1;
    }
    Slot *slot = slot_of(memo, key);
    slot->key = key;
    slot->value = value;
    memo->count++;
    return 0;
}

/* Those behind it move up, as far as they would not be found otherwise. */
static void
memo_remove(Memo *memo, Slot *slot)
{
    size_t hole = (size_t)(slot - memo->slots), place = hole;
    for (;;) {
        place = (place + 1) & memo->mask;
        if (memo->slots[place].key == 0) {
            break;
        }
        size_t home = home_of(memo, memo->slots[place].key);
        if (((place - home) & memo->mask) >= ((place - hole) & memo->mask)) {
            memo->slots[hole] = memo->slots[place];
            hole = place;
        }
    }
    memo->slots[hole].key = 0;
    memo->count--;
}

/* 0, and no error, where the object cannot be the address of anything. */
static uintptr_t
key_of(PyObject *obj)
{
    if (!PyLong_Check(obj)) {
        return 0;
    }
    size_t key = PyLong_AsSize_t(obj);
    if (key == (size_t)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return (uintptr_t)key;
}

static int
memo_set(Memo *memo, PyObject *key, PyObject *value)
{
    uintptr_t address = key_of(key);
    long long number = value == NULL ? 0 : PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    Slot *slot = memo_find(memo, address);
    if (address == 0 || (value == NULL && slot == NULL)) {
        PyErr_SetObject(PyExc_KeyError, key);
        return -1;
    }
    if (value == NULL) {
        memo_remove(memo, slot);
        return 0;
    }
    if (slot == NULL) {
        return memo_insert(memo, address, number);
    }
    slot->value = number;
    return 0;
}

Memo *
memo_from(PyObject *links)
{
    if (Py_TYPE(links) == &MemoType) {
        return (Memo *)Py_NewRef(links);
    }
    Memo *memo = (Memo *)MemoType.tp_alloc(&MemoType, 0);
    PyObject *key, *value;
    Py_ssize_t place = 0;
    if (memo != NULL && !PyDict_Check(links)) {
        PyErr_SetString(PyExc_TypeError, "links are a Memo or a dict");
        Py_CLEAR(memo);
    }
    while (memo != NULL && PyDict_Next(links, &place, &key, &value)) {
        if (memo_set(memo, key, value) < 0) {
            Py_CLEAR(memo);
        }
    }
    return memo;
}

static PyObject *
memo_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    PyObject *links = NULL;
    if (!PyArg_ParseTuple(arguments, "|O:Memo", &links)) {
        return NULL;
    }
    if (links == NULL || Py_TYPE(links) != &MemoType) {
        return links == NULL ? type->tp_alloc(type, 0) : (PyObject *)memo_from(links);
    }
    Memo *memo = (Memo *)type->tp_alloc(type, 0), *other = (Memo *)links;
    if (memo != NULL && other->mask) {
        memo->slots = slots_new(other->mask + 1);
        if (memo->slots == NULL) {
            Py_DECREF(memo);
            return NULL;
        }
        memcpy(memo->slots, other->slots, (other->mask + 1) * sizeof(Slot));
        memo->mask = other->mask;
        memo->count = other->count;
    }
    return (PyObject *)memo;
}

static void
memo_dealloc(Memo *self)
{
    slots_free(self->slots, self->mask + 1);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
memo_subscript(Memo *self, PyObject *key)
{
    Slot *slot = memo_find(self, key_of(key));
    if (slot == NULL) {
        PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    return PyLong_FromLongLong(slot->value);
}

static PyObject *
memo_get(Memo *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "get takes a key, and maybe what is given where it is not known");
        return NULL;
    }
    Slot *slot = memo_find(self, key_of(arguments[0]));
    return slot ? PyLong_FromLongLong(slot->value) : Py_NewRef(count > 1 ? arguments[1] : Py_None);
}

static PyObject *
memo_pop(Memo *self, PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *found = memo_get(self, arguments, count);
    Slot *slot = found == NULL ? NULL : memo_find(self, key_of(arguments[0]));
    if (slot != NULL) {
        memo_remove(self, slot);
    }
    return found;
}

static PyObject *
memo_setdefault(Memo *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "setdefault takes a key and a number");
        return NULL;
    }
    if (memo_find(self, key_of(arguments[0])) == NULL && memo_set(self, arguments[0], arguments[1]) < 0) {
        return NULL;
    }
    return memo_subscript(self, arguments[0]);
}

static int
memo_contains(Memo *self, PyObject *key)
{
    return memo_find(self, key_of(key)) != NULL;
}

static Py_ssize_t
memo_length(Memo *self)
{
    return self->count;
}

static int
by_number(const void *one, const void *other)
{
    int64_t left = ((const Slot *)one)->value, right = ((const Slot *)other)->value;
    return (left > right) - (left < right);
}

/* A list of pairs, in the order in which they were met. */
static PyObject *
memo_items(Memo *self, PyObject *Py_UNUSED(ignored))
{
    Slot *slots = PyMem_Malloc((size_t)(self->count + 1) * sizeof(Slot));
    PyObject *items = slots == NULL ? PyErr_NoMemory() : PyList_New(0);
    Py_ssize_t count = 0;
    for (size_t place = 0; items != NULL && self->mask && place <= self->mask; place++) {
        if (self->slots[place].key) {
            slots[count++] = self->slots[place];
        }
    }
    qsort(slots, (size_t)count, sizeof(Slot), by_number);
    for (Py_ssize_t place = 0; items != NULL && place < count; place++) {
        PyObject *pair = Py_BuildValue("(KL)", (unsigned long long)slots[place].key, (long long)slots[place].value);
        if (pair == NULL || PyList_Append(items, pair) < 0) {
            Py_CLEAR(items);
        }
        Py_XDECREF(pair);
    }
    PyMem_Free(slots);
    return items;
}

static PyObject *
memo_iterate(Memo *self)
{
    PyObject *items = memo_items(self, NULL), *keys = items == NULL ? NULL : PyDict_New();
    if (keys != NULL && PyDict_MergeFromSeq2(keys, items, 1) < 0) {
        Py_CLEAR(keys);
    }
    Py_XDECREF(items);
    PyObject *iterator = keys == NULL ? NULL : PyObject_GetIter(keys);
    Py_XDECREF(keys);
    return iterator;
}

static PyObject *
memo_compare(PyObject *self, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) || !(Py_TYPE(other) == &MemoType || PyDict_Check(other))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Memo *one = (Memo *)self, *two = memo_from(other);
    if (two == NULL) {
        return NULL;
    }
    int same = one->count == two->count;
    for (size_t place = 0; same && one->mask && place <= one->mask; place++) {
        Slot *slot = one->slots[place].key ? memo_find(two, one->slots[place].key) : NULL;
        same = !one->slots[place].key || (slot != NULL && slot->value == one->slots[place].value);
    }
    Py_DECREF(two);
    return PyBool_FromLong(same == (operation == Py_EQ));
}

static PyMethodDef memo_methods[] = {
    {"get", (PyCFunction)(void (*)(void))memo_get, METH_FASTCALL, "As of a dict."},
    {"pop", (PyCFunction)(void (*)(void))memo_pop, METH_FASTCALL, "As of a dict; None where it is not known."},
    {"setdefault", (PyCFunction)(void (*)(void))memo_setdefault, METH_FASTCALL, "As of a dict."},
    {"items", (PyCFunction)memo_items, METH_NOARGS, "A list of pairs, in the order of the numbers."},
    {NULL},
};

static PyMappingMethods memo_as_mapping = {
    .mp_length = (lenfunc)memo_length,
    .mp_subscript = (binaryfunc)memo_subscript,
    .mp_ass_subscript = (objobjargproc)memo_set,
};

static PySequenceMethods memo_as_sequence = {.sq_contains = (objobjproc)memo_contains};

PyTypeObject MemoType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kishu_kernel.native.walker.Memo",
    .tp_basicsize = sizeof(Memo),
    .tp_dealloc = (destructor)memo_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Numbers of objects, by their ids.",
    .tp_as_mapping = &memo_as_mapping,
    .tp_as_sequence = &memo_as_sequence,
    .tp_iter = (getiterfunc)memo_iterate,
    .tp_richcompare = memo_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_methods = memo_methods,
    .tp_new = memo_new,
};
