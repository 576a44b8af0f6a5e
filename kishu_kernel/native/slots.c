/* The memory of a table's slots.
 *
 * A table of 200,000 objects has 8 MB, which a walk takes anew and gives back. In pages of 4 KB that is 2,000 faults each
 * time, a third of what the walk takes; and to look into such a table at random misses the processor's list of pages. So
 * large ones ask for large pages, where the system has these, and where it does not, they lie in small ones.
 */
#include "native.h" /* first: it makes `madvise` known */

#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined(__linux__) && defined(MADV_HUGEPAGE) && defined(MAP_ANONYMOUS)
#define LARGE ((size_t)2 << 20) /* bytes of such a page, on most machines */

static Slot *
large_new(size_t size)
{
    char *all = mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t before = (LARGE - (uintptr_t)all % LARGE) % LARGE; /* only what begins where such a page does can be one */
    if (before > 0) {
        munmap(all, before);
    }
    if (before < LARGE) {
        munmap(all + before + size, LARGE - before);
    }
    madvise(all + before, size, MADV_HUGEPAGE);
    return (Slot *)(all + before);
}

static void
large_free(Slot *slots, size_t size)
{
    munmap(slots, size);
}
#else
#define LARGE SIZE_MAX

static Slot *
large_new(size_t Py_UNUSED(size))
{
    return NULL;
}

static void
large_free(Slot *Py_UNUSED(slots), size_t Py_UNUSED(size))
{
}
#endif

/* Free slots, a power of two; NULL, and an error: there is no memory. */
Slot *
slots_new(size_t count)
{
    size_t size = count * sizeof(Slot);
    Slot *slots = size < LARGE ? PyMem_Malloc(size) : large_new(size);
    if (slots == NULL) {
        PyErr_NoMemory();
    }
    else if (size < LARGE) {
        memset(slots, 0, size); /* not by `calloc`: pages that are read first cost two faults each */
    }
    return slots;
}

void
slots_free(Slot *slots, size_t count)
{
    if (slots != NULL && count * sizeof(Slot) >= LARGE) {
        large_free(slots, count * sizeof(Slot));
    }
    else {
        PyMem_Free(slots);
    }
}
