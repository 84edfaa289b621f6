/**
 * The report: what a run did and what its student is worth, beside its teacher and beside students
 * that were trained without one, as one HTML file for people and one JSON file for programs.
 *
 * <p>{@link io.distill.report.Report} measures and writes. Charts are painted by XChart through
 * Batik's SVG generator; neither opens a window, and the HTML file refers to nothing outside
 * itself.
 */
@NullMarked
@CheckReturnValue
package io.distill.report;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
