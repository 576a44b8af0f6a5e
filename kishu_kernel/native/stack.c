/* What a walk has yet to visit. */
#include "native.h"

int
stack_grow(Stack *stack, Py_ssize_t more)
{
    Py_ssize_t capacity = stack->capacity ? stack->capacity : 64;
    while (capacity < stack->count + more) {
        capacity += capacity / 2;
    }
    PyObject **items = PyMem_Realloc(stack->items, (size_t)capacity * sizeof(PyObject *));
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    stack->items = items;
    stack->capacity = capacity;
    return 0;
}

static PyObject *
stack_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    if (!PyArg_ParseTuple(arguments, ":Stack")) {
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static int
stack_traverse(Stack *self, visitproc visit, void *arg)
{
    for (Py_ssize_t place = 0; place < self->count; place++) {
        Py_VISIT(self->items[place]);
    }
    return 0;
}

static int
stack_clear(Stack *self)
{
    while (self->count) { /* one by one: a destructor may look at the rest */
        PyObject *item = self->items[--self->count];
        Py_DECREF(item);
    }
    return 0;
}

static void
stack_dealloc(Stack *self)
{
    PyObject_GC_UnTrack(self);
    stack_clear(self);
    PyMem_Free(self->items);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
stack_append(Stack *self, PyObject *item)
{
    if (stack_reserve(self, 1) < 0) {
        return NULL;
    }
    stack_push(self, item);
    return Py_NewRef(Py_None);
}

static PyObject *
stack_extend(Stack *self, PyObject *items)
{
    PyObject *iterator = PyObject_GetIter(items), *item;
    if (iterator == NULL) {
        return NULL;
    }
    while ((item = PyIter_Next(iterator)) != NULL) {
        if (stack_reserve(self, 1) < 0) {
            Py_DECREF(item);
            break;
        }
        self->items[self->count++] = item;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
stack_add(PyObject *self, PyObject *items)
{
    PyObject *done = stack_extend((Stack *)self, items);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    return Py_NewRef(self);
}

static PyObject *
stack_pop(Stack *self, PyObject *Py_UNUSED(ignored))
{
    if (self->count == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from an empty stack");
        return NULL;
    }
    return self->items[--self->count];
}

static Py_ssize_t
stack_length(Stack *self)
{
    return self->count;
}

static PyMethodDef stack_methods[] = {
    {"append", (PyCFunction)stack_append, METH_O, "Puts an object on top."},
    {"extend", (PyCFunction)stack_extend, METH_O, "Puts objects on top, the last one topmost."},
    {"pop", (PyCFunction)stack_pop, METH_NOARGS, "Takes the topmost object."},
    {NULL},
};

static PySequenceMethods stack_as_sequence = {.sq_length = (lenfunc)stack_length, .sq_inplace_concat = stack_add};

PyTypeObject StackType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kishu_kernel.native.walker.Stack",
    .tp_basicsize = sizeof(Stack),
    .tp_dealloc = (destructor)stack_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "What a walk has yet to visit.",
    .tp_traverse = (traverseproc)stack_traverse,
    .tp_clear = (inquiry)stack_clear,
    .tp_as_sequence = &stack_as_sequence,
    .tp_methods = stack_methods,
    .tp_new = stack_new,
};
