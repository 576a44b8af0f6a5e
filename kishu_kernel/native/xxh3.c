/* XXH3-64 of short inputs, as its specification says; longer ones go to the xxhash module. */
#include "native.h"

/* The part of its secret that short inputs need. */
static const uint8_t secret[136] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
};

#define PRIME_1 0x9E3779B185EBCA87ULL
#define PRIME_2 0xC2B2AE3D27D4EB4FULL
#define PRIME_3 0x165667B19E3779F9ULL
#define PRIME_MIX 0x165667919E3779F9ULL
#define PRIME_SHORT 0x9FB21C651E98DF25ULL

static inline uint64_t
read_32(const uint8_t *data)
{
    return (uint64_t)data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16 | (uint64_t)data[3] << 24;
}

static inline uint64_t
read_64(const uint8_t *data)
{
    return read_32(data) | read_32(data + 4) << 32;
}

static inline uint64_t
key(size_t place)
{
    return read_64(secret + place);
}

static inline uint64_t
rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t
swap_bytes(uint64_t value)
{
    uint64_t swapped = 0;
    for (int place = 0; place < 8; place++, value >>= 8) {
        swapped = swapped << 8 | (value & 0xff);
    }
    return swapped;
}

Wide
multiply_wide(uint64_t one, uint64_t other)
{
#if defined(__SIZEOF_INT128__)
    __extension__ unsigned __int128 product = (unsigned __int128)one * other;
    return (Wide){(uint64_t)product, (uint64_t)(product >> 64)};
#else
    uint64_t a = one & 0xffffffff, b = one >> 32, c = other & 0xffffffff, d = other >> 32;
    uint64_t cross = (a * c >> 32) + (b * c & 0xffffffff) + a * d;
    return (Wide){cross << 32 | (a * c & 0xffffffff), (b * c >> 32) + (cross >> 32) + b * d};
#endif
}

static inline uint64_t
fold(uint64_t one, uint64_t other)
{
    Wide product = multiply_wide(one, other);
    return product.low ^ product.high;
}

static inline uint64_t
mix(const uint8_t *data, size_t place)
{
    return fold(read_64(data) ^ key(place), read_64(data + 8) ^ key(place + 8));
}

static inline uint64_t
spread(uint64_t value)
{
    value = (value ^ value >> 37) * PRIME_MIX;
    return value ^ value >> 32;
}

static inline uint64_t
spread_well(uint64_t value)
{
    value = (value ^ value >> 33) * PRIME_2;
    value = (value ^ value >> 29) * PRIME_3;
    return value ^ value >> 32;
}

static uint64_t
of_up_to_16(const uint8_t *data, size_t length)
{
    if (length > 8) {
        uint64_t low = read_64(data) ^ (key(24) ^ key(32)), high = read_64(data + length - 8) ^ (key(40) ^ key(48));
        return spread(length + swap_bytes(low) + high + fold(low, high));
    }
    if (length >= 4) {
        uint64_t mixed = (read_32(data + length - 4) + (read_32(data) << 32)) ^ (key(8) ^ key(16));
        mixed ^= rotate(mixed, 49) ^ rotate(mixed, 24);
        mixed *= PRIME_SHORT;
        mixed = (mixed ^ ((mixed >> 35) + length)) * PRIME_SHORT;
        return mixed ^ mixed >> 28;
    }
    if (length) {
        uint64_t mixed = (uint64_t)data[0] << 16 | (uint64_t)data[length >> 1] << 24 | data[length - 1];
        return spread_well((mixed | (uint64_t)length << 8) ^ (read_32(secret) ^ read_32(secret + 4)));
    }
    return spread_well(key(56) ^ key(64));
}

uint64_t
xxh3_64(const uint8_t *data, size_t length)
{
    if (length <= 16) {
        return of_up_to_16(data, length);
    }
    uint64_t sum = length * PRIME_1;
    if (length <= 128) {
        for (size_t pair = (length - 1) / 32; pair > 0; pair--) {
            sum += mix(data + pair * 16, pair * 32) + mix(data + length - (pair + 1) * 16, pair * 32 + 16);
        }
        return spread(sum + mix(data, 0) + mix(data + length - 16, 16));
    }
    for (size_t place = 0; place < 8; place++) {
        sum += mix(data + place * 16, place * 16);
    }
    sum = spread(sum);
    for (size_t place = 8; place < length / 16; place++) {
        sum += mix(data + place * 16, (place - 8) * 16 + 3);
    }
    return spread(sum + mix(data + length - 16, 136 - 17));
}
