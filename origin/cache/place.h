// Where an origin's object is on the disk: under its name like every object or, where its URI is no
// path, under an encoded name in a folder that the server keeps for itself.
//
//   .objmapper-origin/          never served, listed or walked (storage/tree/reserved_name.h)
//     whole/<encoded>           objects, each with its mark
//     part/<digest>.part, .map  what of an object is here before all of it is (partial_object.h)
//
// No path is a URI that the kernel would read as another one ("x//y", "x/./y", "x/", "x/.."), that
// it does not take (a part of over 255 bytes, too many parts), or that is taken by the disk: "a"
// beside "a/b", which only the disk knows. So the way to an object is its plain place, where its
// URI has one, and where nothing but a folder is there, its encoded one. Each answers to exactly
// its URI: whoever opens one compares the URI in its mark, which also tells two URIs apart whose
// names would be the same (digests, file systems that fold upper and lower case).
//
// ".." is a part like any other here and leads nowhere, since no encoded name has a slash. Whether
// a URI with one may be asked for is decided where all URIs are judged (DiskTier::CheckName()
// refuses it), and what goes to the origin is the URI as it was judged.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin {

// A URI without the slashes at its front, which mean nothing (storage/tree/tree.h).
absl::string_view Canonical(absl::string_view uri);

// Whether the URI is a path that leads to exactly what it says, if it leads anywhere.
bool IsPath(absl::string_view uri);

// A name of at most 255 bytes for any URI: 'u' and the URI, "%2F" for its slashes, or if that is
// too long 'd' and its SHA-256. Two URIs have different ones: of two long ones nobody can make it
// otherwise.
std::string EncodedName(absl::string_view uri);
// The URI of such a name. nullopt: it is a digest, or no such name.
std::optional<std::string> DecodedName(absl::string_view name);

// The name, without its ending, of what is kept of a part-filled object: its URI's digest.
std::string PartName(absl::string_view uri);

// Paths below the root.
std::string OriginFolder();                       // ".objmapper-origin"
std::string WholeFolder();                        // in it
std::string PartFolder();                         // in it
std::string EncodedPlace(absl::string_view uri);  // WholeFolder() and EncodedName()

}  // namespace objmapper::origin
