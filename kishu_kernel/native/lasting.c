/* Answers about classes and functions of libraries, from one moment to the next: they last as long as the module that
 * holds one under its name holds it, and neither of them has been changed. Elsewhere they are asked for anew, which is
 * what Python does without this module (`objects.lasting_answers`).
 */
#include "native.h"

typedef struct {
    PyObject *module, *own, *qualified; /* new references; NULL: it has none */
} Names;

typedef struct {
    PyObject *obj; /* a new reference */
    Names names;
    PyObject *module; /* an address; NULL: no code can change the class, and it is Python's */
    unsigned long version, metaclass_version;
    unsigned long long module_version;
} Noted;

typedef struct {
    PyObject_HEAD
    Noted *noted;
    Py_ssize_t count, capacity;
    Memo *places; /* of what was noted */
} Lasting;

static void
release(Names *names)
{
    Py_XDECREF(names->module);
    Py_XDECREF(names->own);
    Py_XDECREF(names->qualified);
}

static void
forget(Noted *each)
{
    Py_DECREF(each->obj);
    release(&each->names);
}

static void
lasting_clear(Lasting *lasting)
{
    while (lasting->count) {
        forget(&lasting->noted[--lasting->count]);
    }
    Py_CLEAR(lasting->places);
}

static void
lasting_dealloc(Lasting *lasting)
{
    lasting_clear(lasting);
    PyMem_Free(lasting->noted);
    Py_TYPE(lasting)->tp_free(lasting);
}

/* -- what there is to see of a class or a function ------------------------------------------------------- */

static int
is_static(PyObject *obj)
{
    return PyType_Check(obj) && !PyType_HasFeature((PyTypeObject *)obj, Py_TPFLAGS_HEAPTYPE);
}

/* A class that no code can change. */
static int
is_fixed(PyObject *obj)
{
    return PyType_Check(obj) && PyType_HasFeature((PyTypeObject *)obj, Py_TPFLAGS_IMMUTABLETYPE);
}

/* Whether it can be looked up, and asked for its names, without running code of its class. */
static int
is_readable(PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj), *as = PyType_Check(obj) ? &PyType_Type : &PyBaseObject_Type;
    return kind == &PyFunction_Type ||
           (kind->tp_hash == as->tp_hash && kind->tp_richcompare == as->tp_richcompare && (PyType_Check(obj) || is_fixed((PyObject *)kind)));
}

static PyObject *
module_of_class(PyTypeObject *kind)
{
    static PyObject *key;
    if (is_static((PyObject *)kind)) {
        const char *end = strrchr(kind->tp_name, '.');
        return end == NULL ? PyUnicode_InternFromString("builtins") : PyUnicode_FromStringAndSize(kind->tp_name, end - kind->tp_name);
    }
    if (key == NULL && (key = PyUnicode_InternFromString("__module__")) == NULL) {
        return NULL;
    }
    return Py_XNewRef(PyDict_GetItemWithError(kind->tp_dict, key));
}

static Names
names_of(PyObject *obj)
{
    Names found = {0};
    if (PyFunction_Check(obj)) {
        PyFunctionObject *function = (PyFunctionObject *)obj;
        found = (Names){Py_XNewRef(function->func_module), Py_XNewRef(function->func_name), Py_XNewRef(function->func_qualname)};
    }
    else if (PyType_Check(obj)) {
        PyHeapTypeObject *heap = is_static(obj) ? NULL : (PyHeapTypeObject *)obj;
        found.module = module_of_class((PyTypeObject *)obj);
        found.own = heap == NULL ? NULL : Py_XNewRef(heap->ht_name);
        found.qualified = heap == NULL ? NULL : Py_XNewRef(heap->ht_qualname);
    }
    else { /* a function that was made in C */
        found.module = PyObject_GetAttrString(obj, "__module__");
        found.qualified = found.module == NULL ? NULL : PyObject_GetAttrString(obj, "__qualname__");
        PyErr_Clear();
    }
    return found;
}

/* The imported module of this name, and the version of what it holds: a borrowed reference; NULL: it is none that has one. */
static PyObject *
module_named(PyObject *name, unsigned long long *version)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    PyObject *module = modules != NULL && PyDict_CheckExact(modules) ? PyDict_GetItemWithError(modules, name) : NULL;
    if (module == NULL || !PyModule_CheckExact(module)) {
        return NULL;
    }
    *version = dict_version(PyModule_GetDict(module));
    return *version ? module : NULL;
}

/* Whether the module holds it under its name; a class that no code can change need not be there. */
static int
is_held(PyObject *obj, PyObject *module, PyObject *qualified)
{
    if (is_fixed(obj)) {
        return 1;
    }
    return qualified != NULL && PyUnicode_CheckExact(qualified) && PyDict_GetItemWithError(PyModule_GetDict(module), qualified) == obj;
}

static int
has_versions(Noted *each)
{
    PyTypeObject *kind = PyType_Check(each->obj) ? (PyTypeObject *)each->obj : NULL;
    return kind == NULL || (type_version(kind) == each->version && type_version(Py_TYPE(kind)) == each->metaclass_version);
}

/* Whether its names are the same objects. Where the name of its module stands, a class's version says whether it does. */
static int
has_names(Noted *each)
{
    if (is_static(each->obj)) {
        return 1;
    }
    if (PyType_Check(each->obj)) {
        PyHeapTypeObject *heap = (PyHeapTypeObject *)each->obj;
        return heap->ht_name == each->names.own && heap->ht_qualname == each->names.qualified;
    }
    Names now = names_of(each->obj);
    int same = now.module == each->names.module && now.own == each->names.own && now.qualified == each->names.qualified;
    release(&now);
    return same;
}

static int
is_as_noted(Noted *each)
{
    unsigned long long version = 0;
    if (each->module == NULL) {
        return 1;
    }
    return module_named(each->names.module, &version) == each->module && version == each->module_version && has_versions(each) &&
           has_names(each);
}

/* -- what Python asks of it ------------------------------------------------------------------------------ */

/* Fills in what is compared later: 1; 0: it is nothing that lasts; -1: an error. */
static int
look_at(PyObject *obj, Noted *now, PyObject *may_last)
{
    PyObject *home = now->names.module;
    if (home == NULL || !PyUnicode_CheckExact(home) || PyUnicode_CompareWithASCIIString(home, "__main__") == 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (is_fixed(obj) && PyUnicode_CompareWithASCIIString(home, "builtins") == 0) {
        return 1;
    }
    now->module = module_named(home, &now->module_version);
    if (now->module == NULL || !is_held(obj, now->module, now->names.qualified)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (PyType_Check(obj)) {
        now->version = type_version((PyTypeObject *)obj);
        now->metaclass_version = type_version(Py_TYPE(obj));
        if (!now->version || !now->metaclass_version) {
            return 0;
        }
    }
    PyObject *answer = PyObject_CallOneArg(may_last, obj);
    int lasts = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return lasts;
}

static int
make_room(Lasting *lasting)
{
    if (lasting->places == NULL && (lasting->places = (Memo *)MemoType.tp_alloc(&MemoType, 0)) == NULL) {
        return -1;
    }
    if (lasting->count < lasting->capacity) {
        return 0;
    }
    Py_ssize_t capacity = lasting->capacity ? 2 * lasting->capacity : 64;
    Noted *more = PyMem_Realloc(lasting->noted, (size_t)capacity * sizeof(Noted));
    if (more == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    lasting->noted = more;
    lasting->capacity = capacity;
    return 0;
}

/* 1: it is noted; 0: nothing of it lasts; -1: an error. */
static int
note(Lasting *lasting, PyObject *obj, PyObject *may_last)
{
    if (lasting->places != NULL && memo_find(lasting->places, (uintptr_t)obj) != NULL) {
        return 1;
    }
    Noted now = {.obj = Py_NewRef(obj), .names = names_of(obj)};
    int lasts = look_at(obj, &now, may_last);
    if (lasts > 0 && (make_room(lasting) < 0 || memo_insert(lasting->places, (uintptr_t)obj, lasting->count) < 0)) {
        lasts = -1;
    }
    if (lasts > 0) {
        lasting->noted[lasting->count++] = now;
    }
    else {
        forget(&now);
    }
    return lasts;
}

/* prune(answers, count, may_last): takes out of a dictionary, from the entry of this number on, what is of no class or function that
 * lasts; the others are noted. `may_last` is asked once of each.
 */
static PyObject *
lasting_prune(Lasting *lasting, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyDict_CheckExact(args[0]) || !PyLong_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "prune takes a dictionary, a number, and who says of a class whether it lasts");
        return NULL;
    }
    Py_ssize_t before = PyLong_AsSsize_t(args[1]), place = 0;
    if (PyDict_GET_SIZE(args[0]) <= before) { /* as mostly */
        Py_RETURN_NONE;
    }
    PyObject *keys = PyDict_Keys(args[0]);
    for (place = before; keys != NULL && place < PyList_GET_SIZE(keys); place++) {
        PyObject *obj = PyList_GET_ITEM(keys, place);
        int lasts = is_readable(obj) ? note(lasting, obj, args[2]) : 0;
        if (lasts < 0 || (!lasts && PyDict_DelItem(args[0], obj) < 0)) {
            Py_CLEAR(keys);
        }
    }
    if (keys == NULL) {
        return NULL;
    }
    Py_DECREF(keys);
    Py_RETURN_NONE;
}

/* changed(): what is not as it was noted, in a list; it is noted no longer. */
static PyObject *
lasting_changed(Lasting *lasting, PyObject *Py_UNUSED(none))
{
    PyObject *found = PyList_New(0);
    Py_ssize_t kept = 0;
    for (Py_ssize_t place = 0; found != NULL && place < lasting->count; place++) {
        int same = is_as_noted(&lasting->noted[place]);
        if (PyErr_Occurred() || (!same && PyList_Append(found, lasting->noted[place].obj) < 0)) {
            Py_CLEAR(found);
        }
    }
    if (found == NULL || !PyList_GET_SIZE(found)) {
        return found;
    }
    Py_CLEAR(lasting->places);
    lasting->places = (Memo *)MemoType.tp_alloc(&MemoType, 0);
    for (Py_ssize_t place = 0, gone = 0; place < lasting->count; place++) {
        Noted *each = &lasting->noted[place];
        if (gone < PyList_GET_SIZE(found) && PyList_GET_ITEM(found, gone) == each->obj) {
            gone++;
            forget(each);
        }
        else {
            if (lasting->places != NULL && memo_insert(lasting->places, (uintptr_t)each->obj, kept) < 0) {
                Py_CLEAR(lasting->places);
            }
            lasting->noted[kept++] = *each;
        }
    }
    lasting->count = kept;
    if (lasting->places == NULL) {
        Py_CLEAR(found);
    }
    return found;
}

static PyObject *
lasting_forget(Lasting *lasting, PyObject *Py_UNUSED(none))
{
    lasting_clear(lasting);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"prune", (PyCFunction)(void (*)(void))lasting_prune, METH_FASTCALL, "Takes out answers about what does not last."},
    {"changed", (PyCFunction)lasting_changed, METH_NOARGS, "What is not as it was noted, and is noted no longer."},
    {"forget", (PyCFunction)lasting_forget, METH_NOARGS, "Nothing is noted any more."},
    {NULL},
};

PyTypeObject LastingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "walker.Lasting",
    .tp_doc = "Classes and functions of libraries, as they were when answers about them were kept.",
    .tp_basicsize = sizeof(Lasting),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)lasting_dealloc,
    .tp_methods = methods,
};
