/* How the loop visits functions of the notebook. As `walk_function`, `walk_reduction` and `reduction_of_function` in Python:
 * it makes the same parts, to be walked in the same order. What of a function is read runs no code.
 */
#include "loop.h"

enum { PARTS = 8, DICT = 0 };

static const char *const part_names[PARTS] = {"dict",     "defaults", "kwdefaults", "annotations",
                                              "qualname", "module",   "doc",        "contents"};
static const char *const attributes[PARTS] = {"__dict__",     "__defaults__", "__kwdefaults__", "__annotations__",
                                              "__qualname__", "__module__",   "__doc__",        NULL};
static PyObject *keys[PARTS], *names[PARTS];

int
functions_begin(void)
{
    for (int place = 0; place < PARTS; place++) {
        keys[place] = PyUnicode_InternFromString(part_names[place]);
        names[place] = attributes[place] == NULL ? NULL : PyUnicode_InternFromString(attributes[place]);
        if (keys[place] == NULL || (attributes[place] != NULL && names[place] == NULL)) {
            return -1;
        }
    }
    return 0;
}

/* What stands in the cells of a closure, and notes these; NULL: one is empty, or an error. */
static PyObject *
contents_of(Loop *loop, PyObject *closure)
{
    PyObject *found = PyTuple_New(PyTuple_GET_SIZE(closure));
    for (Py_ssize_t place = 0; found != NULL && place < PyTuple_GET_SIZE(closure); place++) {
        PyObject *cell = PyTuple_GET_ITEM(closure, place), *content = PyCell_Check(cell) ? PyCell_GET(cell) : NULL;
        PyObject *id = content == NULL ? NULL : PyLong_FromVoidPtr(cell);
        if (id == NULL || PySet_Add(loop->shells, id) < 0) {
            Py_CLEAR(found);
        }
        else {
            PyTuple_SET_ITEM(found, place, Py_NewRef(content));
        }
        Py_XDECREF(id);
    }
    return found;
}

/* All that it has beside code, name, globals and closure; NULL: that is not all, or an error. */
static PyObject *
state_of(Loop *loop, PyObject *function, PyObject *closure)
{
    PyObject *state = PyDict_New();
    for (int place = 0; state != NULL && place < PARTS; place++) {
        PyObject *name = names[place];
        PyObject *part = name == NULL ? contents_of(loop, closure) : PyObject_GetAttr(function, name);
        int whole = part != NULL && (place != DICT || PyDict_CheckExact(part));
        if (!whole || PyDict_SetItem(state, keys[place], part) < 0) {
            Py_CLEAR(state);
        }
        Py_XDECREF(part);
    }
    return state;
}

static int
has_type_parameters(PyObject *function)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *found = PyObject_GetAttrString(function, "__type_params__");
    int some = found == NULL ? -1 : !PyTuple_CheckExact(found) || PyTuple_GET_SIZE(found) > 0;
    Py_XDECREF(found);
    return some;
#else
    (void)function;
    return 0;
#endif
}

/* The list of its parts, as its reduction; NULL: ask Python, or an error. */
static PyObject *
taken_apart(Loop *loop, PyObject *function)
{
    PyObject *closure = PyFunction_GET_CLOSURE(function);
    PyObject *cells = closure == NULL ? PyTuple_New(0) : Py_NewRef(closure);
    PyObject *state = cells == NULL || has_type_parameters(function) ? NULL : state_of(loop, function, cells);
    PyObject *name = state == NULL ? NULL : PyObject_GetAttrString(function, "__name__");
    PyObject *arguments = name == NULL ? NULL : PyTuple_Pack(3, PyFunction_GET_CODE(function), name, cells);
    PyObject *children = arguments == NULL ? NULL : PyList_New(6);
    if (children != NULL) {
        PyList_SET_ITEM(children, 0, Py_NewRef(PyTuple_GET_ITEM(loop->makers, 0)));
        PyList_SET_ITEM(children, 1, Py_NewRef(arguments));
        PyList_SET_ITEM(children, 2, Py_NewRef(state));
        PyList_SET_ITEM(children, 3, Py_NewRef(Py_None));
        PyList_SET_ITEM(children, 4, Py_NewRef(Py_None));
        PyList_SET_ITEM(children, 5, Py_NewRef(PyTuple_GET_ITEM(loop->makers, 1)));
    }
    Py_XDECREF(cells);
    Py_XDECREF(state);
    Py_XDECREF(name);
    Py_XDECREF(arguments);
    return children;
}

/* 1: visited; 0: Python is to be asked, from the beginning; -1: an error. */
int
visit_function(Loop *loop, PyObject *obj)
{
    int plain = loop->walk != NULL && PyFunction_GET_GLOBALS(obj) == loop->namespace && loop->census == Py_None &&
                PyTuple_GET_SIZE(loop->makers) >= 2 && !PyDict_GET_SIZE(loop->private);
    PyObject *children = plain ? taken_apart(loop, obj) : NULL;
    if (children == NULL) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    Buffer *out = &loop->parts->buffer;
    Py_ssize_t count = PyList_GET_SIZE(children);
    int failed = number_it(loop, obj) < 0 || PySet_Add(loop->codes, PyFunction_GET_CODE(obj)) < 0 ||
                 PyList_Append(loop->kept, children) < 0 || buffer_put_number(out, 'r', count, ';') < 0 ||
                 stack_reserve(loop->stack, count) < 0;
    while (!failed && count > 0) {
        stack_push(loop->stack, PyList_GET_ITEM(children, --count));
    }
    Py_DECREF(children);
    return failed ? -1 : 1;
}
