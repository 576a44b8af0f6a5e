/* What an object shows of itself: all that a walk can read of it, as addresses and numbers. Two looks at one object that
 * give the same have found it the same. Only of objects that can be read so wholly, and without running any code.
 */
#include "native.h"
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *get, *set, *del, *doc;
} Property; /* the beginning of the interpreter's own */

int
shown_put_word(Shown *into, uintptr_t word)
{
    return buffer_put(&into->words, &word, sizeof(word));
}

int
shown_put_object(Shown *into, PyObject *obj)
{
    return shown_put_word(into, (uintptr_t)obj) < 0 || (obj != NULL && buffer_put(&into->children, &obj, sizeof(obj)) < 0) ? -1 : 0;
}

static int
put_objects(Shown *into, PyObject *const *objects, Py_ssize_t count)
{
    int failed = shown_put_word(into, (uintptr_t)count) < 0;
    for (Py_ssize_t place = 0; !failed && place < count; place++) {
        failed = shown_put_object(into, objects[place]) < 0;
    }
    return failed ? -1 : 0;
}

/* A dictionary of attributes: who else holds it would be told, too. */
int
shown_put_attributes(Shown *into, PyObject *dict)
{
    into->shared |= dict != NULL && Py_REFCNT(dict) > 1;
    return shown_put_object(into, dict);
}

/* -- instances of classes in Python --------------------------------------------------------------------- */

static PyMemberDef *
members_of(PyTypeObject *kind)
{
    return (PyMemberDef *)((char *)kind + Py_TYPE(kind)->tp_basicsize); /* as PyHeapType_GET_MEMBERS */
}

/* What is made in C and stands at the beginning of instances: nothing, the items of a tuple, a number, a text. NULL: more. */
static PyTypeObject *
content_of(PyTypeObject *kind)
{
    while (kind != NULL && PyType_HasFeature(kind, Py_TPFLAGS_HEAPTYPE)) {
        kind = kind->tp_base;
    }
    int is_read = kind == &PyBaseObject_Type || kind == &PyTuple_Type || kind == &PyLong_Type || kind == &PyFloat_Type || kind == &PyUnicode_Type;
    return is_read ? kind : NULL;
}

/* Where instances of different sizes have their attributes behind what stands in them. */
static int
has_attributes_behind(PyTypeObject *kind)
{
#if PY_VERSION_HEX < 0x030C0000
    return kind->tp_itemsize > 0 && kind->tp_dictoffset == -(Py_ssize_t)sizeof(PyObject *);
#else
    (void)kind;
    return 0;
#endif
}

/* Whether there is nothing in instances but such content, attributes, slots that hold objects, and weak references. */
static int
is_bare(PyTypeObject *kind)
{
    PyTypeObject *content = content_of(kind);
    Py_ssize_t places = (kind->tp_weaklistoffset > 0) + has_attributes_behind(kind);
    if (content == NULL || kind->tp_itemsize != content->tp_itemsize || kind->tp_dictoffset > 0) {
        return 0;
    }
    if (kind->tp_dictoffset < 0 && !has_attributes_behind(kind) && !attributes_readable(kind)) {
        return 0;
    }
    for (PyTypeObject *base = kind; base != content; base = base->tp_base) {
        for (Py_ssize_t place = 0; place < Py_SIZE(base); place++, places++) {
            if (members_of(base)[place].type != T_OBJECT_EX) {
                return 0;
            }
        }
    }
    return kind->tp_basicsize == content->tp_basicsize + places * (Py_ssize_t)sizeof(PyObject *);
}

static int
put_text(Shown *into, PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    if (!PyUnicode_IS_READY(text)) {
        return 0;
    }
#endif
    size_t length = (size_t)PyUnicode_GET_LENGTH(text) * PyUnicode_KIND(text), rest = -length % sizeof(uintptr_t);
    if (length > SHAPE_WORDS) {
        return 0;
    }
    int failed = shown_put_word(into, length) < 0 || shown_put_word(into, PyUnicode_KIND(text)) < 0 ||
                 buffer_put(&into->words, PyUnicode_DATA(text), length) < 0 || buffer_put(&into->words, "\0\0\0\0\0\0\0", rest) < 0;
    return failed ? -1 : 1;
}

/* 1: it was read; 0: it is too large; -1: an error. */
static int
put_content(Shown *into, PyObject *obj)
{
    PyTypeObject *content = content_of(Py_TYPE(obj));
    if (content == &PyTuple_Type) {
        return put_objects(into, ((PyTupleObject *)obj)->ob_item, PyTuple_GET_SIZE(obj)) < 0 ? -1 : 1;
    }
    if (content == &PyUnicode_Type) {
        return put_text(into, obj);
    }
    if (content == &PyLong_Type) {
        int beyond;
        long long number = PyLong_AsLongLongAndOverflow(obj, &beyond);
        return beyond ? 0 : buffer_put(&into->words, &number, sizeof(number)) < 0 ? -1 : 1;
    }
    if (content == &PyFloat_Type) {
        double number = PyFloat_AS_DOUBLE(obj);
        return buffer_put(&into->words, &number, sizeof(number)) < 0 ? -1 : 1;
    }
    return 1;
}

static int
put_slots(Shown *into, PyObject *obj)
{
    int failed = 0;
    for (PyTypeObject *base = Py_TYPE(obj), *content = content_of(base); base != content; base = base->tp_base) {
        for (Py_ssize_t place = 0; !failed && place < Py_SIZE(base); place++) {
            failed = shown_put_object(into, *(PyObject **)((char *)obj + members_of(base)[place].offset)) < 0;
        }
    }
    return failed ? -1 : 0;
}

/* 1: they were read; 0: they are not where they should be; -1: an error. */
static int
put_instance(Shown *into, PyObject *obj)
{
    Attributes found;
    if (shown_put_object(into, (PyObject *)Py_TYPE(obj)) < 0 || put_slots(into, obj) < 0) {
        return -1;
    }
    int put = put_content(into, obj);
    if (put <= 0) {
        return put;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (has_attributes_behind(Py_TYPE(obj))) {
        Py_ssize_t end = _PyObject_VAR_SIZE(Py_TYPE(obj), Py_ABS(Py_SIZE(obj)));
        return shown_put_attributes(into, *(PyObject **)((char *)obj + end - sizeof(PyObject *))) < 0 ? -1 : 1;
    }
#endif
    if (!attributes_readable(Py_TYPE(obj))) {
        return 1;
    }
    int taken = attributes_read(obj, &found);
    if (taken <= 0) {
        return taken;
    }
    Py_XDECREF(found.dict); /* the instance holds it */
    int failed = shown_put_attributes(into, found.dict) < 0 || put_objects(into, found.names, found.count) < 0 ||
                 put_objects(into, found.values, found.count) < 0;
    return failed ? -1 : 1;
}

/* -- types as annotations say them ----------------------------------------------------------------------- */

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
typedef struct {
    PyObject_HEAD
    PyObject *origin, *args, *parameters, *references;
    char starred;
} Alias; /* the beginning of the interpreter's own */
#define HAS_ALIAS(kind) ((kind) == &Py_GenericAliasType && (kind)->tp_basicsize >= (Py_ssize_t)sizeof(Alias))
#else
#define HAS_ALIAS(kind) 0
#endif

/* `list[int]`, `int | None`: no code changes them. */
static int
is_alias(PyTypeObject *kind)
{
    return HAS_ALIAS(kind) || (!PyType_HasFeature(kind, Py_TPFLAGS_HEAPTYPE) && strcmp(kind->tp_name, "types.UnionType") == 0);
}

static int put_referent(PyObject *obj, void *into);

static int
put_alias(Shown *into, PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
    if (HAS_ALIAS(kind) && shown_put_word(into, ((Alias *)obj)->starred != 0) < 0) {
        return -1;
    }
#endif
    return kind->tp_traverse(obj, put_referent, into) < 0 ? -1 : 1;
}

/* The class of `typing.Union` and `typing.Literal`, which go by their names, or that from which it derives; NULL: it is another one. */
static PyTypeObject *
special_form(PyTypeObject *kind)
{
    PyTypeObject *form = strcmp(kind->tp_name, "_SpecialForm") == 0 ? kind : kind->tp_base;
    if (form == NULL || strcmp(form->tp_name, "_SpecialForm") != 0) {
        return NULL;
    }
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *typing = modules == NULL || !PyDict_CheckExact(modules) ? NULL : PyDict_GetItemString(modules, "typing");
    int is_so = typing != NULL && PyModule_CheckExact(typing) &&
                PyDict_GetItemString(PyModule_GetDict(typing), "_SpecialForm") == (PyObject *)form;
    return is_so ? form : NULL;
}

/* Its type, and what it is called: its function is the library's. */
static int
put_named(Shown *into, PyObject *obj)
{
    PyTypeObject *form = special_form(Py_TYPE(obj));
    int failed = shown_put_object(into, (PyObject *)Py_TYPE(obj)) < 0;
    for (Py_ssize_t place = 0; !failed && form != NULL && place < Py_SIZE(form); place++) {
        PyObject *held = *(PyObject **)((char *)obj + members_of(form)[place].offset);
        failed = (held != NULL && PyUnicode_CheckExact(held) ? shown_put_object(into, held) : shown_put_word(into, (uintptr_t)held)) < 0;
    }
    return failed ? -1 : form != NULL;
}

/* -- classes and what they are made of ------------------------------------------------------------------ */

/* The name of the module that a class says it is of, borrowed; NULL: it says none. */
PyObject *
home_of_class(PyTypeObject *kind)
{
    static PyObject *module;
    if (module == NULL && (module = PyUnicode_InternFromString("__module__")) == NULL) {
        return NULL;
    }
    return PyDict_GetItemWithError(kind->tp_dict, module);
}

/* One of Python's own stays what it is; one of the notebook's is read as other classes of it are. */
static int
put_metaclass(Shown *into, PyTypeObject *kind)
{
    PyTypeObject *metaclass = Py_TYPE(kind);
    PyObject *home = metaclass == &PyType_Type ? NULL : home_of_class(metaclass);
    if (home == NULL || !PyUnicode_Check(home) || PyUnicode_CompareWithASCIIString(home, "__main__") != 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return shown_put_object(into, (PyObject *)metaclass);
}

/* By its version, and its metaclass; one that is walked also by what is in it. */
static int
put_class(Shown *into, PyTypeObject *kind, int is_whole)
{
    PyHeapTypeObject *heap = (PyHeapTypeObject *)kind;
    unsigned long version = type_version(kind);
    PyObject *name, *value;
    Py_ssize_t place = 0;
    if (version == 0) {
        return 0;
    }
    int failed = shown_put_word(into, version) < 0 || put_metaclass(into, kind) < 0 || shown_put_object(into, heap->ht_name) < 0 || shown_put_object(into, heap->ht_qualname) < 0;
    if (is_whole) {
        failed = failed || shown_put_object(into, kind->tp_bases) < 0;
        while (!failed && PyDict_Next(kind->tp_dict, &place, &name, &value)) {
            failed = shown_put_object(into, name) < 0 || shown_put_object(into, value) < 0;
        }
    }
    return failed ? -1 : 1;
}

static int
put_function(Shown *into, PyFunctionObject *function)
{
    PyObject *parts[] = {function->func_code,     function->func_name,   function->func_qualname, function->func_defaults,
                         function->func_kwdefaults, function->func_closure, function->func_doc,     function->func_module,
                         function->func_annotations,
#if PY_VERSION_HEX >= 0x030C0000
                         function->func_typeparams
#endif
    };
    int failed = shown_put_word(into, (uintptr_t)function->func_globals) < 0 || shown_put_object(into, function->func_dict) < 0 ||
                 put_objects(into, parts, sizeof(parts) / sizeof(*parts)) < 0;
    return failed ? -1 : 1;
}

static int
put_referent(PyObject *obj, void *into)
{
    return PyDict_CheckExact(obj) ? shown_put_attributes(into, obj) : shown_put_object(into, obj);
}

/* What stands behind a proxy are no attributes of it: who else holds that is no matter. */
static int
put_behind(PyObject *obj, void *into)
{
    return shown_put_object(into, obj);
}

static int
put_pairs(Shown *into, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;
    int failed = 0;
    while (!failed && PyDict_Next(dict, &place, &key, &value)) {
        failed = shown_put_object(into, key) < 0 || shown_put_object(into, value) < 0;
    }
    return failed ? -1 : 1;
}

static int
put_items(Shown *into, PyObject *set)
{
    PyObject *item;
    Py_ssize_t place = 0;
    int failed = 0;
    while (!failed && (item = next_in((PySetObject *)set, &place)) != NULL) {
        failed = shown_put_object(into, item) < 0;
    }
    return failed ? -1 : 1;
}

/* -- any object ------------------------------------------------------------------------------------------ */

static int
is_descriptor(PyTypeObject *kind)
{
    return kind == &PyGetSetDescr_Type || kind == &PyMemberDescr_Type || kind == &PyWrapperDescr_Type ||
           kind == &PyMethodDescr_Type;
}

/* It is what it is called: what it is bound to, if it is a class, and nothing else. */
static int
is_builtin(PyObject *obj)
{
    PyObject *owner = PyCFunction_CheckExact(obj) ? PyCFunction_GET_SELF(obj) : obj;
    return owner == NULL || PyModule_CheckExact(owner) || (owner != obj && PyType_Check(owner));
}

/* By how much of it is to be seen. What is in a class's register of others is seen by `abc.get_cache_token`. */
int
shown_kind(PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (plain_kind(obj) || obj == Py_Ellipsis || obj == Py_NotImplemented) {
        return SHOWN_ATOM;
    }
    if (kind == &PyCode_Type) {
        return SHOWN_CODE;
    }
    if (PyType_Check(obj)) {
        return PyType_HasFeature((PyTypeObject *)obj, Py_TPFLAGS_HEAPTYPE) ? SHOWN_CLASS : SHOWN_NOTHING;
    }
    if (strcmp(kind->tp_name, "_abc._abc_data") == 0) {
        return SHOWN_NOTHING;
    }
    if (kind == &PyTuple_Type || kind == &PyList_Type || kind == &PyDict_Type || PyAnySet_CheckExact(obj) ||
        kind == &PyFunction_Type || kind == &PyCell_Type || kind == &PyProperty_Type || kind == &PyStaticMethod_Type ||
        kind == &PyClassMethod_Type || kind == &PyMethod_Type || kind == &PyDictProxy_Type || is_descriptor(kind) ||
        (kind == &PyCFunction_Type && is_builtin(obj)) || is_alias(kind)) {
        return SHOWN_NODE;
    }
    if (is_made_in_c(kind)) {
        return SHOWN_MADE_IN_C;
    }
    if (PyModule_CheckExact(obj)) {
        return SHOWN_MODULE;
    }
    if (!PyType_HasFeature(kind, Py_TPFLAGS_HEAPTYPE) || !is_bare(kind)) {
        return SHOWN_NOT;
    }
    return special_form(kind) != NULL ? SHOWN_NAMED : SHOWN_NODE;
}

/* How many words a container has to show, at least. */
static Py_ssize_t
items_of(PyObject *obj)
{
    if (PyDict_Check(obj)) {
        return 2 * PyDict_GET_SIZE(obj);
    }
    return PyAnySet_CheckExact(obj) ? PySet_GET_SIZE(obj) : PyList_CheckExact(obj) || PyTuple_Check(obj) ? Py_SIZE(obj) : 0;
}

/* 1: it was read; 0: it cannot be; -1: an error. */
int
shown_read(PyObject *obj, int shown, Shown *into)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (items_of(obj) > SHAPE_WORDS) {
        return 0;
    }
    if (shown == SHOWN_MADE_IN_C) {
        return made_in_c_read(obj, into);
    }
    if (shown == SHOWN_MODULE) { /* by its name */
        return 1;
    }
    if (PyType_Check(obj)) {
        return put_class(into, (PyTypeObject *)obj, shown == SHOWN_WHOLE);
    }
    if (kind == &PyTuple_Type || kind == &PyList_Type) {
        PyObject **items = kind == &PyList_Type ? ((PyListObject *)obj)->ob_item : ((PyTupleObject *)obj)->ob_item;
        return put_objects(into, items, Py_SIZE(obj)) < 0 ? -1 : 1;
    }
    if (kind == &PyDict_Type) {
        return put_pairs(into, obj);
    }
    if (PyAnySet_CheckExact(obj)) {
        return put_items(into, obj);
    }
    if (kind == &PyFunction_Type) {
        return put_function(into, (PyFunctionObject *)obj);
    }
    if (kind == &PyCell_Type) {
        return shown_put_object(into, PyCell_GET(obj)) < 0 ? -1 : 1;
    }
    if (kind == &PyProperty_Type) {
        Property *property = (Property *)obj;
        return put_objects(into, &property->get, 4) < 0 ? -1 : 1;
    }
    if (is_descriptor(kind)) {
        PyDescrObject *descriptor = (PyDescrObject *)obj;
        return shown_put_word(into, (uintptr_t)descriptor->d_type) < 0 || shown_put_object(into, descriptor->d_name) < 0 ? -1 : 1;
    }
    if (kind == &PyCFunction_Type) {
        PyCFunctionObject *function = (PyCFunctionObject *)obj;
        PyObject *owner = function->m_self != NULL && PyType_Check(function->m_self) ? function->m_self : NULL;
        return shown_put_word(into, (uintptr_t)function->m_ml) < 0 || shown_put_object(into, owner) < 0 ? -1 : 1;
    }
    if (is_alias(kind)) {
        return put_alias(into, obj);
    }
    if (kind == &PyDictProxy_Type) {
        return kind->tp_traverse(obj, put_behind, into) < 0 ? -1 : 1;
    }
    if (PyType_HasFeature(kind, Py_TPFLAGS_HEAPTYPE)) {
        return shown == SHOWN_NAMED ? put_named(into, obj) : put_instance(into, obj);
    }
    return kind->tp_traverse(obj, put_referent, into) < 0 ? -1 : 1; /* methods, and what wraps functions */
}
