/* Bytes that grow. */
#include "native.h"

int
buffer_grow(Buffer *buffer, size_t more)
{
    size_t wanted = buffer->length + more;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < wanted) {
        capacity += capacity / 2 + 64;
    }
    char *data = PyMem_Realloc(buffer->data, capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

void
buffer_free(Buffer *buffer)
{
    PyMem_Free(buffer->data);
    memset(buffer, 0, sizeof(*buffer));
}

/* A number in decimal digits, between two characters; '\0' stands for none. */
int
buffer_put_number(Buffer *buffer, char before, long long number, char after)
{
    char digits[24], *start = digits + sizeof(digits);
    unsigned long long rest = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
    if (after) {
        *--start = after;
    }
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) {
        *--start = '-';
    }
    if (before) {
        *--start = before;
    }
    return buffer_put(buffer, start, (size_t)(digits + sizeof(digits) - start));
}

/* A str, as `encode("utf-8", "surrogatepass")`. Keeps nothing in the str, as `PyUnicode_AsUTF8` would. */
int
buffer_put_utf8(Buffer *buffer, PyObject *text)
{
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        return buffer_put(buffer, PyUnicode_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    }
    PyObject *encoded = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (encoded == NULL) {
        return -1;
    }
    int failed = buffer_put(buffer, PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return failed;
}

/* How often a byte stands there. */
size_t
count_bytes(const char *data, size_t length, char wanted)
{
    size_t found = 0;
    while (length) { /* as many as a byte can count, so that many are compared at once */
        size_t most = length < 255 ? length : 255;
        uint8_t some = 0;
        for (size_t place = 0; place < most; place++) {
            some = (uint8_t)(some + (data[place] == wanted));
        }
        found += some;
        data += most;
        length -= most;
    }
    return found;
}
