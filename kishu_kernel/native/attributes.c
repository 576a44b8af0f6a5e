/* The attributes of an instance, read where they stand.
 *
 * On CPython 3.11 and 3.12 they stand in the instance, in the order of a table of names that its class has, until
 * somebody asks for its `__dict__`: then that is made, and every access is slower from there on. So the layout is read
 * here, of exactly these two versions, and tried at import (twins.py). Elsewhere the public interface does.
 */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
#define INLINE_VALUES
#define Py_BUILD_CORE
#endif

#include "native.h"

#ifdef INLINE_VALUES
#include "internal/pycore_dict.h"
#include "internal/pycore_object.h"
#endif

#ifdef INLINE_VALUES

#define PREFIX(values, place) (((uint8_t *)(values))[-(place)])

static PyDictValues *
values_of(PyObject *obj, PyObject **dict)
{
    *dict = NULL;
    if (!(Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyDictOrValues *place = _PyObject_DictOrValuesPointer(obj);
    if (_PyDictOrValues_IsValues(*place)) {
        return _PyDictOrValues_GetValues(*place);
    }
    *dict = _PyDictOrValues_GetDict(*place);
    return NULL;
#else
    PyDictValues *values = *_PyObject_ValuesPointer(obj);
    if (values == NULL) {
        *dict = *_PyObject_ManagedDictPointer(obj);
    }
    return values;
#endif
}

static int
read_inline(PyObject *obj, PyDictValues *values, Attributes *found)
{
    PyDictKeysObject *keys = ((PyHeapTypeObject *)Py_TYPE(obj))->ht_cached_keys;
    Py_ssize_t count = PREFIX(values, 2);
    if (keys == NULL || count > INLINE_MOST || keys->dk_kind == DICT_KEYS_GENERAL) {
        return 0;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        Py_ssize_t index = PREFIX(values, 3 + place); /* in the order in which they were set */
        found->names[place] = DK_UNICODE_ENTRIES(keys)[index].me_key;
        found->values[place] = values->values[index];
        if (index >= keys->dk_nentries || found->names[place] == NULL || found->values[place] == NULL) {
            return 0;
        }
    }
    found->count = count;
    return 1;
}

#endif

/* Whether instances of this type have their attributes where `attributes_read` looks. */
int
attributes_readable(PyTypeObject *kind)
{
#if PY_VERSION_HEX >= 0x030B0000
    if (kind->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return 1;
    }
#endif
    return kind->tp_dictoffset > 0;
}

/* 1: they were read; 0: they are not where they should be; -1: an error. */
int
attributes_read(PyObject *obj, Attributes *found)
{
    PyObject *dict = NULL;
    found->dict = NULL;
    found->shared = 0;
    found->count = 0;
#ifdef INLINE_VALUES
    if (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        PyDictValues *values = values_of(obj, &dict);
        if (values != NULL) {
            return read_inline(obj, values, found);
        }
        Py_XINCREF(dict);
    }
    else
#elif PY_VERSION_HEX >= 0x030D0000
    if (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        dict = PyObject_GenericGetDict(obj, NULL);
        if (dict == NULL) {
            return -1;
        }
    }
    else
#endif
    if (Py_TYPE(obj)->tp_dictoffset > 0) {
        dict = *(PyObject **)((char *)obj + Py_TYPE(obj)->tp_dictoffset);
        Py_XINCREF(dict);
    }
    else {
        return 0;
    }
    found->dict = dict;
    found->shared = dict != NULL && (Py_REFCNT(dict) > 2 || Py_TYPE(dict) != &PyDict_Type);
    return 1;
}

/* What was borrowed is held, over what may run code; to be released. */
void
attributes_hold(Attributes *found)
{
    for (Py_ssize_t place = 0; place < found->count; place++) {
        Py_INCREF(found->names[place]);
        Py_INCREF(found->values[place]);
    }
}

void
attributes_release(Attributes *found)
{
    for (Py_ssize_t place = 0; place < found->count; place++) {
        Py_DECREF(found->names[place]);
        Py_DECREF(found->values[place]);
    }
    Py_XDECREF(found->dict);
}

int
attributes_are_inline(PyObject *obj)
{
#ifdef INLINE_VALUES
    PyObject *dict;
    return values_of(obj, &dict) != NULL;
#else
    return 0;
#endif
}

/* peek(obj): a new dict of its attributes, where it has none of its own yet, and to ask for one would make it slower; else None. */
PyObject *
attributes_peek(PyObject *Py_UNUSED(module), PyObject *obj)
{
    Attributes found;
    if (!attributes_are_inline(obj) || attributes_read(obj, &found) <= 0) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    attributes_hold(&found); /* a new dict may start a collection */
    PyObject *dict = PyDict_New();
    for (Py_ssize_t place = 0; place < found.count; place++) {
        if (dict != NULL && PyDict_SetItem(dict, found.names[place], found.values[place]) < 0) {
            Py_CLEAR(dict);
        }
    }
    attributes_release(&found);
    return dict;
}

/* untouched(obj): whether its attributes stand in the instance. */
PyObject *
attributes_untouched(PyObject *Py_UNUSED(module), PyObject *obj)
{
    return PyBool_FromLong(attributes_are_inline(obj));
}

/* -- back into the instance ---------------------------------------------------------------------------- */

#ifdef INLINE_VALUES

static PyObject *
dict_alone(PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    PyObject *dict = NULL;
    unsigned long needed = Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MANAGED_DICT;
    if ((kind->tp_flags & needed) != needed || kind->tp_alloc != PyType_GenericAlloc || values_of(obj, &dict) != NULL) {
        return NULL;
    }
    int alone = dict != NULL && PyDict_CheckExact(dict) && Py_REFCNT(dict) == 1 && PyDict_GET_SIZE(dict) <= INLINE_MOST;
    return alone ? dict : NULL;
}

/* Sets what stands in a dict as an interpreter does that makes the instance; 0 where that would run code of a class's. */
static int
fill(PyObject *obj, PyObject *dict)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    while (PyDict_Next(dict, &place, &name, &value)) {
        PyObject *member = PyUnicode_CheckExact(name) ? _PyType_Lookup(Py_TYPE(obj), name) : name;
        if (member == name || (member != NULL && Py_TYPE(member)->tp_descr_set != NULL)) {
            return 0;
        }
        if (PyObject_GenericSetAttr(obj, name, value) < 0) {
            PyErr_Clear();
            return 0;
        }
    }
    return 1;
}

/* Frees an instance that nobody has seen, and that holds nothing but this dict: none of its class's code runs. */
static void
free_unseen(PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    PyObject *dict;
    if (values_of(obj, &dict) != NULL) {
        dict = PyObject_GenericGetDict(obj, NULL); /* takes the values over */
        Py_XDECREF(dict);
    }
    values_of(obj, &dict);
    PyObject_GC_UnTrack(obj);
    PyObject_GC_Del(obj);
    Py_XDECREF(dict);
    Py_DECREF(kind);
}

/* Another instance of the class is made and given the same attributes; then the two change places. */
static void
put_back(PyObject *obj, PyObject *dict)
{
    PyTypeObject *kind = Py_TYPE(obj);
    PyObject *nothing = PyTuple_New(0), *made;
    PyObject *other = nothing == NULL ? NULL : PyBaseObject_Type.tp_new(kind, nothing, NULL); /* no code of its class runs */
    Py_XDECREF(nothing);
    if (other == NULL) {
        PyErr_Clear();
        return;
    }
    if (dict_alone(obj) == dict && fill(other, dict) && values_of(other, &made) != NULL) {
        for (int place = 3; place <= (PY_VERSION_HEX >= 0x030C0000 ? 3 : 4); place++) {
            void **mine = (void **)obj - place, **its = (void **)other - place, *kept = *mine;
            *mine = *its;
            *its = kept;
        }
    }
    free_unseen(other);
}

#endif

/* settle(objects): puts the attributes of instances that nobody has seen yet where they stand in new ones, so that they are as
 * fast. A pickle gives each a `__dict__`.
 */
PyObject *
attributes_settle(PyObject *Py_UNUSED(module), PyObject *objects)
{
#ifdef INLINE_VALUES
    if (!PyList_CheckExact(objects)) {
        PyErr_SetString(PyExc_TypeError, "settle takes a list");
        return NULL;
    }
    for (Py_ssize_t place = 0; place < PyList_GET_SIZE(objects); place++) {
        PyObject *obj = Py_NewRef(PyList_GET_ITEM(objects, place)), *dict = dict_alone(obj);
        if (dict != NULL) {
            put_back(obj, dict);
        }
        Py_DECREF(obj);
    }
#endif
    Py_RETURN_NONE;
}
