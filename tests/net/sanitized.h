// Whether this was compiled for a sanitizer that keeps freed memory back, to see who uses it:
// figures of memory say little then.
#pragma once

// gcc defines names, clang has features.
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OBJMAPPER_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OBJMAPPER_SANITIZED 1
#endif

namespace objmapper::net {

#ifdef OBJMAPPER_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace objmapper::net
