/* Reductions that only change some attributes, as a library's file of ours says (`objects/native_rules.py`). */
#include "native.h"

/* A copy of a dictionary; what else stands instead is taken as it is. */
static PyObject *
instead_of(PyObject *value)
{
    return PyDict_CheckExact(value) ? PyDict_Copy(value) : Py_NewRef(value);
}

/* The state: all attributes in their order, the last one behind them. */
static PyObject *
state_by_rule(PyObject *own, PyObject *instead, PyObject *last)
{
    PyObject *state = PyDict_New(), *name, *value, *other;
    Py_ssize_t place = 0;
    while (state != NULL && PyDict_Next(own, &place, &name, &value)) {
        if (!PyUnicode_CheckExact(name)) { /* to look it up may run code */
            Py_CLEAR(state);
            break;
        }
        other = PyDict_GetItemWithError(instead, name);
        int is_last = other != NULL && PyUnicode_Compare(name, last) == 0;
        PyObject *held = is_last ? NULL : other == NULL ? Py_NewRef(value) : instead_of(other);
        int failed = PyErr_Occurred() || (!is_last && (held == NULL || PyDict_SetItem(state, name, held) < 0));
        Py_XDECREF(held);
        if (failed) {
            Py_CLEAR(state);
        }
    }
    other = state == NULL ? NULL : PyDict_GetItemWithError(instead, last);
    if (state != NULL && (other == NULL || PyDict_SetItem(state, last, other) < 0)) {
        Py_CLEAR(state);
    }
    return state;
}

static int
holds_for(PyObject *own, PyObject *empty, PyObject *instead)
{
    PyObject *name, *value, *none = PyDict_GetItemWithError(own, empty);
    Py_ssize_t place = 0;
    int holds = none != NULL && PyDict_CheckExact(none) && PyDict_GET_SIZE(none) == 0;
    while (holds > 0 && PyDict_Next(instead, &place, &name, &value)) {
        holds = PyDict_Contains(own, name);
    }
    return holds;
}

PyObject *
reduction_by_rule(PyObject *obj, PyObject *rule)
{
    PyObject *empty, *instead, *last, *found = NULL;
    Attributes attributes;
    if (!PyArg_ParseTuple(rule, "UO!U", &empty, &PyDict_Type, &instead, &last) || attributes_read(obj, &attributes) <= 0) {
        return NULL;
    }
    PyObject *own = attributes.dict != NULL ? PyDict_Copy(attributes.dict) : attributes_peek(NULL, obj); /* ours: a collection may run code */
    Py_XDECREF(attributes.dict);
    if (own != NULL && PyDict_CheckExact(own) && holds_for(own, empty, instead) > 0) {
        PyObject *state = state_by_rule(own, instead, last);
        found = state == NULL ? NULL : Py_BuildValue("(O(O)N)", copyreg_newobj, (PyObject *)Py_TYPE(obj), state);
    }
    Py_XDECREF(own);
    return found;
}
