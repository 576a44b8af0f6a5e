/* One run of the loop of a walk: what `walk.c` and `visit.c` share. */
#ifndef KISHU_LOOP_H
#define KISHU_LOOP_H

#include "native.h"

#define DTYPES_MOST 8

typedef struct {
    PyObject *walk, *root, *constants; /* borrowed; no walk: `walk_small` */
    Parts *parts;
    Memo *memo;
    Stack *stack;
    PyObject *shared, *handlers, *hubs, *attributes, *unread, *static_ids, *class_bytes, *should_stop, *census, *reducer,
        *namespace, *natively, *references, *kept, *ranges, *private, *by_place, *shared_references, *resolved, *static_parts,
        *bound, *bound_classes, *shells, *codes, *makers, *members, *methods;
    void *began_with; /* an address: where the walk began, which may have gone on since */
    PyObject *simple, *simple_value, *told, *told_value, *reduced, *reduced_value, *by_state, *array, *function, *member, *scalar; /* borrowed from `natively` */
    Memo *statics;                   /* `static_ids`, as they were when there were `statics->count` */
    Py_ssize_t static_size, static_asked; /* when that was looked at last, and how often since */
    PyObject *dtypes[DTYPES_MOST][2]; /* those that were met, and how texts of their arrays begin */
    int dtypes_count;
    PyObject *hub_links;             /* a list of the links of the hubs */
    Kinds kinds;
    Buffer scratch, items;
} Loop;

int nobody_to_ask(void);
int ask_handler(Loop *loop, PyObject *handler, PyObject *obj);
int number_it(Loop *loop, PyObject *obj);

int begin_again(Loop *loop, PyObject *obj, PyObject *handler, size_t length, Py_ssize_t stacked);
int is_static(Loop *loop, PyObject *obj);

int visit_sequence(Loop *loop, PyObject *obj);
int visit_set(Loop *loop, PyObject *obj);
int visit_dict(Loop *loop, PyObject *obj);
int visit_simple(Loop *loop, PyObject *obj, Kind *kind);
int visit_told(Loop *loop, PyObject *obj, Kind *kind);
int visit_by_state(Loop *loop, PyObject *obj, Kind *kind);
int visit_array(Loop *loop, PyObject *obj, Kind *kind);
int visit_function(Loop *loop, PyObject *obj);
int visit_member(Loop *loop, PyObject *obj, Kind *kind);
int visit_scalar(Loop *loop, PyObject *obj, Kind *kind);
int visit_method(Loop *loop, PyObject *obj, Kind *kind);

#endif
