// The sizes that the wire protocol bounds, in bytes unless the name says otherwise.
//
// Source: docs/protocol.md. A peer that exceeds one of these is answered with an error, never with
// a larger buffer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace objmapper::protocol {

inline constexpr size_t kUriBytesMax = 4096;
inline constexpr size_t kMetadataBytesMax = 1024;
inline constexpr size_t kEtagBytesMax = 64;
inline constexpr size_t kTokenBytesMax = 4096;  // AUTH's

// The most descriptors one SCM_RIGHTS message can carry: SCM_MAX_FD in the kernel's
// include/net/scm.h; a 254th gives EINVAL.
inline constexpr size_t kFdsPerMessageMax = 253;

inline constexpr size_t kV1RequestHeaderBytes = 3;  // mode u8, uri_length u16
// status u8, content_length u64, metadata_length u16
inline constexpr size_t kV1ResponseHeaderBytes = 11;
inline constexpr size_t kHelloBytes = 9;
inline constexpr size_t kHelloAckBytes = 10;
inline constexpr size_t kV2ResponseHeaderBytes = 16;  // type u8, id u32, then as V1
inline constexpr size_t kCloseBytes = 2;
inline constexpr size_t kCloseAckBytes = 6;
inline constexpr size_t kAuthHeaderBytes = 3;  // type u8, token_length u16

// type u8, id u32, flags u8, mode u8, uri_length u16, offset u64, length u64, body_length u64,
// metadata_length u16.
inline constexpr size_t kV2RequestHeaderBytesMax = 1 + 4 + 1 + 1 + 2 + 8 + 8 + 8 + 2;
// The longest request without its body: what a reader must be able to hold to parse any request.
inline constexpr size_t kRequestBytesMax =
    kV2RequestHeaderBytesMax + kUriBytesMax + kMetadataBytesMax;
static_assert(kAuthHeaderBytes + kTokenBytesMax <= kRequestBytesMax);

}  // namespace objmapper::protocol
