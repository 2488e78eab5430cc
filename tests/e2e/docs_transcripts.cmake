# The player of docs/protocol.md's transcripts, over the reader that tests/protocol tests; docs_test.py runs it.
add_executable(docs_transcripts ${CMAKE_CURRENT_LIST_DIR}/docs_transcripts.cpp ${CMAKE_SOURCE_DIR}/tests/protocol/transcript.cpp)
set_target_properties(docs_transcripts PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/e2e)
target_link_libraries(docs_transcripts PRIVATE bus_protocol)
