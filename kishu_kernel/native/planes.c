/* Items taken apart by their bytes, so that like stands beside like, and put together again.
 *
 * Sixteen items at a time, where the processor has vectors of sixteen bytes. Their bytes have an address of bits, those of the
 * item before those of the byte in it. To mingle the halves of all vectors, byte by byte, turns the address left by one bit:
 * four times, and the bits of the byte stand first; as often as these are many, and they are last again.
 */
#include "packed.h"

#if defined(__SSE2__)
#include <emmintrin.h>
typedef __m128i Vector;
#define LOAD(at) _mm_loadu_si128((const __m128i *)(at))
#define STORE(at, vector) _mm_storeu_si128((__m128i *)(at), vector)
#define LOAD_TWO(at, other) \
    _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(at)), _mm_loadl_epi64((const __m128i *)(other)))
#define STORE_TWO(at, other, vector) \
    (_mm_storel_epi64((__m128i *)(at), vector), _mm_storel_epi64((__m128i *)(other), _mm_unpackhi_epi64(vector, vector)))
#define LOW(one, other) _mm_unpacklo_epi8(one, other)
#define HIGH(one, other) _mm_unpackhi_epi8(one, other)
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
typedef uint8x16_t Vector;
#define LOAD(at) vld1q_u8(at)
#define STORE(at, vector) vst1q_u8(at, vector)
#define LOAD_TWO(at, other) vcombine_u8(vld1_u8(at), vld1_u8(other))
#define STORE_TWO(at, other, vector) (vst1_u8(at, vget_low_u8(vector)), vst1_u8(other, vget_high_u8(vector)))
#define LOW(one, other) vzip1q_u8(one, other)
#define HIGH(one, other) vzip2q_u8(one, other)
#endif

#ifdef LOW
#define LANES 16
#define MOST 8 /* bytes of an item that are taken together */

static inline __attribute__((always_inline)) void
mingle(Vector *vectors, int count, int times)
{
    Vector before[MOST];
#pragma GCC unroll 4
    for (int time = 0; time < times; time++) {
#pragma GCC unroll 8
        for (int place = 0; place < count; place++) {
            before[place] = vectors[place];
        }
#pragma GCC unroll 4
        for (int place = 0; place < count / 2; place++) {
            vectors[2 * place] = LOW(before[place], before[place + count / 2]);
            vectors[2 * place + 1] = HIGH(before[place], before[place + count / 2]);
        }
    }
}

/* Some bytes of all items: `bytes` of each, a power of two; `turns` is its logarithm. Whole items only, if `bytes` < MOST. */
static inline __attribute__((always_inline)) void
columns_apart(const uint8_t *items, uint8_t *planes, size_t count, size_t width, int bytes)
{
    Vector vectors[MOST];
    for (size_t item = 0; item + LANES <= count; item += LANES) {
        const uint8_t *from = items + item * width;
#pragma GCC unroll 8
        for (int place = 0; place < bytes; place++) {
            const uint8_t *two = from + 2 * width * (size_t)place;
            vectors[place] = width == (size_t)bytes ? LOAD(from + LANES * place) : LOAD_TWO(two, two + width);
        }
        mingle(vectors, bytes, 4);
#pragma GCC unroll 8
        for (int place = 0; place < bytes; place++) {
            STORE(planes + (size_t)place * count + item, vectors[place]);
        }
    }
}

static inline __attribute__((always_inline)) void
columns_together(const uint8_t *planes, uint8_t *items, size_t count, size_t width, int bytes, int turns)
{
    Vector vectors[MOST];
    for (size_t item = 0; item + LANES <= count; item += LANES) {
        uint8_t *to = items + item * width;
#pragma GCC unroll 8
        for (int place = 0; place < bytes; place++) {
            vectors[place] = LOAD(planes + (size_t)place * count + item);
        }
        mingle(vectors, bytes, turns);
#pragma GCC unroll 8
        for (int place = 0; place < bytes; place++) {
            uint8_t *two = to + 2 * width * (size_t)place;
            if (width == (size_t)bytes) {
                STORE(to + LANES * place, vectors[place]);
            }
            else {
                STORE_TWO(two, two + width, vectors[place]);
            }
        }
    }
}

/* Where the next columns begin; the last ones may be taken twice. */
static inline size_t
next_columns(size_t column, size_t width)
{
    return column + MOST < width && column + 2 * MOST > width ? width - MOST : column + MOST;
}

/* How many items were taken. */
static size_t
many_apart(const uint8_t *items, uint8_t *planes, size_t count, size_t width)
{
    if (width == 8) {
        columns_apart(items, planes, count, 8, 8);
    }
    else if (width == 4) {
        columns_apart(items, planes, count, 4, 4);
    }
    else if (width == 2) {
        columns_apart(items, planes, count, 2, 2);
    }
    else if (width > MOST) {
        for (size_t column = 0; column < width; column = next_columns(column, width)) {
            columns_apart(items + column, planes + column * count, count, width, MOST);
        }
    }
    else {
        return 0;
    }
    return count / LANES * LANES;
}

static size_t
many_together(const uint8_t *planes, uint8_t *items, size_t count, size_t width)
{
    if (width == 8) {
        columns_together(planes, items, count, 8, 8, 3);
    }
    else if (width == 4) {
        columns_together(planes, items, count, 4, 4, 2);
    }
    else if (width == 2) {
        columns_together(planes, items, count, 2, 2, 1);
    }
    else if (width > MOST) {
        for (size_t column = 0; column < width; column = next_columns(column, width)) {
            columns_together(planes + column * count, items + column, count, width, MOST, 3);
        }
    }
    else {
        return 0;
    }
    return count / LANES * LANES;
}

#else
#define many_apart(items, planes, count, width) 0
#define many_together(planes, items, count, width) 0
#endif

void
bytes_apart(const uint8_t *items, uint8_t *planes, size_t length, size_t width)
{
    size_t count = length / width, done = many_apart(items, planes, count, width);
    for (size_t byte = 0; byte < width; byte++) {
        for (size_t item = done; item < count; item++) {
            planes[byte * count + item] = items[item * width + byte];
        }
    }
    memcpy(planes + count * width, items + count * width, length - count * width);
}

void
bytes_together(const uint8_t *planes, uint8_t *items, size_t length, size_t width)
{
    size_t count = length / width, done = many_together(planes, items, count, width);
    for (size_t byte = 0; byte < width; byte++) {
        for (size_t item = done; item < count; item++) {
            items[item * width + byte] = planes[byte * count + item];
        }
    }
    memcpy(items + count * width, planes + count * width, length - count * width);
}
