/* The module `kishu_kernel.native.walker`. */
#include "native.h"

#ifndef KISHU_SOURCES /* the digest of the sources that it is built from (process/native_sources.py) */
#error "build it by hatch_build.py, which says from which sources"
#endif

PyObject *xxh3_128_digest, *xxh3_64_intdigest, *xxh3_128_stream, *copyreg_newobj;

/* digest(data): XXH3-64 of at most 240 bytes; for the tests. */
static PyObject *
short_digest(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *found = NULL;
    if (view.len > XXH3_MOST) {
        PyErr_SetString(PyExc_ValueError, "longer inputs are the xxhash module's");
    }
    else {
        found = PyLong_FromUnsignedLongLong(xxh3_64(view.buf, (size_t)view.len));
    }
    PyBuffer_Release(&view);
    return found;
}

static PyMethodDef functions[] = {
    {"run", (PyCFunction)(void (*)(void))walk_run, METH_FASTCALL, "The loop of a walk."},
    {"small", (PyCFunction)(void (*)(void))walk_small, METH_FASTCALL, "The walk of a few containers of atoms; else None."},
    {"content", sequence_content, METH_O, "How a long sequence of plain atoms is written; else None."},
    {"holds", (PyCFunction)(void (*)(void))sequence_holds, METH_FASTCALL, "Whether a list holds the objects of a tuple."},
    {"untrack", (PyCFunction)sequence_untrack, METH_O, "A tuple of plain atoms: the collector need not look at it."},
    {"claim", (PyCFunction)(void (*)(void))links_claim, METH_FASTCALL, "Who owns some of these links already."},
    {"join", (PyCFunction)(void (*)(void))links_join, METH_FASTCALL, "How these links lead to what others own."},
    {"meet", (PyCFunction)(void (*)(void))links_meet, METH_FASTCALL, "Whether two have a link in common."},
    {"join_two", (PyCFunction)(void (*)(void))links_join_two, METH_FASTCALL, "How the links of the second lead to those of the first."},
    {"peek", attributes_peek, METH_O, "The attributes of an instance that has no `__dict__` yet, in a new dict; else None."},
    {"untouched", attributes_untouched, METH_O, "Whether an instance has no `__dict__` yet, and to ask for it would make one."},
    {"told_state", told_state, METH_O, "What the `__getstate__` of an instance gives, where that is all of it; else None."},
    {"not_told_by", (PyCFunction)(void (*)(void))hidden_not_told_by, METH_FASTCALL, "Which objects a reduction does not tell."},
    {"settle", attributes_settle, METH_O, "Makes loaded instances as fast as new ones."},
    {"pickle", (PyCFunction)(void (*)(void))pickle_plain, METH_FASTCALL, "The pickle stream of what is plain."},
    {"load", (PyCFunction)(void (*)(void))stream_load, METH_FASTCALL, "What such a stream holds, in a tuple; else None."},
    {"cuts", cuts_find, METH_VARARGS, "Where a stream is cut."},
    {"pack", packed_pack, METH_VARARGS, "Array items in a frame that is shorter; empty where it would not be."},
    {"unpack", packed_unpack, METH_VARARGS, "Fills memory with what a frame holds."},
    {"fill_texts", texts_fill, METH_VARARGS, "Puts texts that were stored as one in an array."},
    {"join_texts", texts_join, METH_VARARGS, "Texts with a byte between two; else None."},
    {"number_texts", texts_number, METH_VARARGS, "Objects of an array by numbers, where few are different; else None."},
    {"pairs", seams_find, METH_O, "The pairs of opcodes that are seams of a stream."},
    {"hear", (PyCFunction)(void (*)(void))audit_hear, METH_FASTCALL, "An audit hook that wakes Python for few events."},
    {"is_data", (PyCFunction)(void (*)(void))names_is_data, METH_FASTCALL, "Whether it is nothing but plain data."},
    {"rebound", (PyCFunction)(void (*)(void))names_rebound, METH_FASTCALL, "Names that are bound to other objects."},
    {"holds_of", (PyCFunction)(void (*)(void))names_holds_of, METH_FASTCALL, "Whether a dictionary has a value of a type."},
    {"ids_of_others", (PyCFunction)(void (*)(void))names_ids_of_others, METH_FASTCALL, "Ids of objects of other types."},
    {"met_near", (PyCFunction)(void (*)(void))near_met, METH_FASTCALL, "Objects of some types that are near, nearest first."},
    {"bound_among", (PyCFunction)(void (*)(void))names_bound_among, METH_FASTCALL, "Names bound to some of these links."},
    {"dict_version", names_dict_version, METH_O, "Another number whenever a dictionary was changed; 0: not known."},
    {"type_version", names_type_version, METH_O, "Another number whenever a type was changed; 0: not known."},
    {"shape", (PyCFunction)(void (*)(void))shape_of, METH_FASTCALL, "What is reachable from an object, to know it again; else None."},
    {"watch", watch_parts, METH_O, "What some places hold, to be known again; None: it cannot be."},
    {"broken", watch_broken, METH_O, "The places of those that do not hold any more."},
    {"unsorted", (PyCFunction)(void (*)(void))names_unsorted, METH_FASTCALL, "Names that are not in this set yet."},
    {"short_digest", short_digest, METH_O, "XXH3-64 of at most 240 bytes."},
    {NULL},
};

static int
execute(PyObject *module)
{
    PyObject *xxhash = PyImport_ImportModule("xxhash");
    if (xxhash == NULL) {
        return -1;
    }
    xxh3_128_digest = PyObject_GetAttrString(xxhash, "xxh3_128_digest");
    xxh3_64_intdigest = PyObject_GetAttrString(xxhash, "xxh3_64_intdigest");
    xxh3_128_stream = PyObject_GetAttrString(xxhash, "xxh3_128");
    Py_DECREF(xxhash);
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    copyreg_newobj = copyreg == NULL ? NULL : PyObject_GetAttrString(copyreg, "__newobj__");
    Py_XDECREF(copyreg);
    made_in_c_begin();
    if (states_begin() < 0 || functions_begin() < 0) {
        return -1;
    }
    if (xxh3_128_digest == NULL || xxh3_64_intdigest == NULL || xxh3_128_stream == NULL || copyreg_newobj == NULL) {
        return -1;
    }
    PyObject *sources = PyLong_FromUnsignedLongLong(KISHU_SOURCES);
    if (sources == NULL || PyModule_AddObject(module, "sources", sources) < 0) { /* takes it over, unless it fails */
        Py_XDECREF(sources);
        return -1;
    }
    return PyModule_AddType(module, &PartsType) < 0 || PyModule_AddType(module, &MemoType) < 0 ||
                   PyModule_AddType(module, &StackType) < 0 || PyModule_AddType(module, &OverrideType) < 0 ||
                   PyModule_AddType(module, &ShapeType) < 0 || PyModule_AddType(module, &LastingType) < 0 ||
                   PyModule_AddType(module, &WatchType) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "walker",
    .m_doc = "What is too slow in Python; it has a twin there. See kishu_kernel/process/native.py.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit_walker(void)
{
    return PyModuleDef_Init(&definition);
}
