/**
 * Benchmarks of what the library promises about speed: {@link
 * io.distill.examples.benchmark.BenchmarkMain} runs them in short and prints a table, JMH's own
 * {@code org.openjdk.jmh.Main} runs them with every option of JMH. {@link
 * io.distill.examples.benchmark.ChunkedVocabularyBenchmark} measures time and memory of losses over
 * large vocabularies and is a program of its own.
 *
 * <p>The build compiles them and never runs them.
 */
@NullMarked
package io.distill.examples.benchmark;

import org.jspecify.annotations.NullMarked;
