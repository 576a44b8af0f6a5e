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
    for (Py_ssize_t place = 0; place < found.count; place++) { /* a new dict may start a collection */
        Py_INCREF(found.names[place]);
        Py_INCREF(found.values[place]);
    }
    PyObject *dict = PyDict_New();
    for (Py_ssize_t place = 0; place < found.count; place++) {
        if (dict != NULL && PyDict_SetItem(dict, found.names[place], found.values[place]) < 0) {
            Py_CLEAR(dict);
        }
        Py_DECREF(found.names[place]);
        Py_DECREF(found.values[place]);
    }
    return dict;
}
