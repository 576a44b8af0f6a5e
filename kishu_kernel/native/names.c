/* What is asked of many objects at once without walking: which names are bound to other objects, what is nothing but
   data, what does not go by its name. */
#include "native.h"

enum { DEEPEST = 40 };

static inline int
is_atom(PyTypeObject *kind)
{
    return kind == &PyLong_Type || kind == &PyUnicode_Type || kind == &PyFloat_Type || kind == &PyBool_Type ||
           kind == Py_TYPE(Py_None) || kind == &PyBytes_Type || kind == &PyComplex_Type || kind == &PyRange_Type;
}

/* Whether an object is an atom, or an exact container of such, and nobody is called when it goes. Runs no code. */
static int
is_data(PyObject *obj, Py_ssize_t *left, int depth)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (is_atom(kind)) {
        return 1;
    }
    if (depth > DEEPEST) {
        return 0;
    }
    if (kind == &PyList_Type || kind == &PyTuple_Type) {
        PyObject **items = PySequence_Fast_ITEMS(obj);
        Py_ssize_t count = PySequence_Fast_GET_SIZE(obj);
        if ((*left -= count) < 0) {
            return 0;
        }
        for (Py_ssize_t at = 0; at < count; at++) {
            if (!is_data(items[at], left, depth + 1)) {
                return 0;
            }
        }
        return 1;
    }
    if (kind == &PyDict_Type) {
        PyObject *key, *value;
        Py_ssize_t at = 0;
        if ((*left -= 2 * PyDict_GET_SIZE(obj)) < 0) {
            return 0;
        }
        while (PyDict_Next(obj, &at, &key, &value)) {
            if (!is_data(key, left, depth + 1) || !is_data(value, left, depth + 1)) {
                return 0;
            }
        }
        return 1;
    }
    if (kind == &PySet_Type || kind == &PyFrozenSet_Type) {
        if (((PySetObject *)obj)->weakreflist != NULL || (*left -= PySet_GET_SIZE(obj)) < 0) {
            return 0;
        }
        PyObject *key;
        Py_ssize_t at = 0;
        while ((key = next_in((PySetObject *)obj, &at)) != NULL) {
            if (!is_data(key, left, depth + 1)) {
                return 0;
            }
        }
        return 1;
    }
    return 0;
}

/* is_data(obj, most): the same; false of more objects than that, and where they nest deeply. */
PyObject *
names_is_data(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "an object and a number");
        return NULL;
    }
    Py_ssize_t left = PyLong_AsSsize_t(args[1]);
    if (left == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(is_data(args[0], &left, 0));
}

/* rebound(variables, bindings): the set of names whose object has another id than `bindings` says, which are new, or
   which are gone. Both are exact dicts, with exact strings for keys. */
PyObject *
names_rebound(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyDict_CheckExact(args[0]) || !PyDict_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "two dictionaries");
        return NULL;
    }
    PyObject *variables = args[0], *bindings = args[1], *name, *value, *found = PySet_New(NULL);
    Py_ssize_t at = 0, same = 0;
    if (found == NULL) {
        return NULL;
    }
    while (PyDict_Next(variables, &at, &name, &value)) {
        PyObject *known = PyDict_GetItemWithError(bindings, name);
        if (known == NULL && PyErr_Occurred()) {
            goto failed;
        }
        same += known != NULL;
        if (known == NULL || (uintptr_t)PyLong_AsVoidPtr(known) != (uintptr_t)value) {
            if (PyErr_Occurred() || PySet_Add(found, name) < 0) {
                goto failed;
            }
        }
    }
    if (same == PyDict_GET_SIZE(bindings)) { /* none is gone */
        return found;
    }
    at = 0;
    while (PyDict_Next(bindings, &at, &name, &value)) {
        int there = PyDict_Contains(variables, name);
        if (there < 0 || (!there && PySet_Add(found, name) < 0)) {
            goto failed;
        }
    }
    return found;
failed:
    Py_DECREF(found);
    return NULL;
}

/* bound_among(variables, links): the names of an exact dict whose very objects are among these links, a `Memo`. */
PyObject *
names_bound_among(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyDict_CheckExact(args[0]) || Py_TYPE(args[1]) != &MemoType) {
        PyErr_SetString(PyExc_TypeError, "a dictionary and a memo");
        return NULL;
    }
    PyObject *name, *value, *found = PyList_New(0);
    Py_ssize_t at = 0;
    while (found != NULL && PyDict_Next(args[0], &at, &name, &value)) {
        Slot *slot = memo_find((Memo *)args[1], (uintptr_t)value);
        if (slot != NULL && slot->key && PyList_Append(found, name) < 0) {
            Py_CLEAR(found);
        }
    }
    return found;
}

/* unsorted(namespace, known): the names of an exact dict that are not in this set; None where one is no exact string. */
PyObject *
names_unsorted(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyDict_Check(args[0]) || !PySet_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "a dictionary and a set");
        return NULL;
    }
    PyObject *name, *value, *found = PyList_New(0);
    Py_ssize_t at = 0;
    while (found != NULL && PyDict_Next(args[0], &at, &name, &value)) {
        if (!PyUnicode_CheckExact(name)) {
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        int known = PySet_Contains(args[1], name);
        if (known < 0 || (!known && PyList_Append(found, name) < 0)) {
            Py_CLEAR(found);
        }
    }
    return found;
}

/* ids_of_others(values, kinds): the ids of those in a list whose types derive from none of these types. */
PyObject *
names_ids_of_others(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyList_CheckExact(args[0]) || !PyTuple_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "a list and a tuple of types");
        return NULL;
    }
    PyObject *found = PySet_New(NULL);
    Py_ssize_t kinds = PyTuple_GET_SIZE(args[1]);
    for (Py_ssize_t at = 0; found != NULL && at < PyList_GET_SIZE(args[0]); at++) {
        PyObject *value = PyList_GET_ITEM(args[0], at);
        Py_ssize_t kind = 0;
        while (kind < kinds && !PyType_IsSubtype(Py_TYPE(value), (PyTypeObject *)PyTuple_GET_ITEM(args[1], kind))) {
            kind++;
        }
        if (kind == kinds) {
            PyObject *id = PyLong_FromVoidPtr(value);
            if (id == NULL || PySet_Add(found, id) < 0) {
                Py_CLEAR(found);
            }
            Py_XDECREF(id);
        }
    }
    return found;
}

/* holds_of(dict, type): whether one of its values is of this very type. */
PyObject *
names_holds_of(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyDict_Check(args[0]) || !PyType_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "a dictionary and a type");
        return NULL;
    }
    PyObject *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(args[0], &at, NULL, &value)) {
        if (Py_TYPE(value) == (PyTypeObject *)args[1]) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}

/* -- types --------------------------------------------------------------------------------------------- */

#define OLDEST_VERSION 2 /* 1: of types that no code can change */

/* Another number whenever something of a type was changed, or of what it derives from; 0: not known. The interpreter keeps
 * it for its cache of attributes, and gives it when one is looked up: so one is.
 */
unsigned long
type_version(PyTypeObject *type)
{
    if (PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE)) {
        return 1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    if (PyUnstable_Type_AssignVersionTag(type) && type->tp_version_tag) {
        return (unsigned long)type->tp_version_tag + OLDEST_VERSION;
    }
#elif PY_VERSION_HEX >= 0x030A0000
    static PyObject *attribute;
    if (attribute == NULL && (attribute = PyUnicode_InternFromString("__sizeof__")) == NULL) {
        PyErr_Clear();
        return 0;
    }
    _PyType_Lookup(type, attribute);
    if (PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG) && type->tp_version_tag) {
        return (unsigned long)type->tp_version_tag + OLDEST_VERSION;
    }
#endif
    return 0;
}

/* type_version(type) */
PyObject *
names_type_version(PyObject *Py_UNUSED(module), PyObject *obj)
{
    if (!PyType_Check(obj)) {
        PyErr_SetString(PyExc_TypeError, "only types have versions");
        return NULL;
    }
    return PyLong_FromUnsignedLong(type_version((PyTypeObject *)obj));
}

/* Another number whenever something of a dictionary was changed; 0: not known. */
unsigned long long
dict_version(PyObject *dict)
{
    unsigned long long version = 0;
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
    version = (unsigned long long)((PyDictObject *)dict)->ma_version_tag;
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
    _Py_COMP_DIAG_PUSH
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS
    version = (unsigned long long)((PyDictObject *)dict)->ma_version_tag;
    _Py_COMP_DIAG_POP
#else
    (void)dict;
#endif
    return version;
}

/* dict_version(dict) */
PyObject *
names_dict_version(PyObject *Py_UNUSED(module), PyObject *obj)
{
    if (!PyDict_Check(obj)) {
        PyErr_SetString(PyExc_TypeError, "only dictionaries have versions");
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(dict_version(obj));
}
