package dev.thaw.runtime;

import com.amazonaws.services.lambda.crac.Core;
import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;

/** Starts Lambda's runtime interface client, unmodified; before that, registers what makes clones of a snapshot differ. */
public final class Main {
    private static Reseed reseed; // the client's context holds resources weakly

    private Main() {}

    /**
     * Hands over to the client.
     *
     * @param arguments the function's handler: {@code package.Class} or {@code package.Class::method}
     * @throws ReflectiveOperationException this JDK keeps a generator elsewhere, so that it could not be seeded anew
     */
    public static void main(String[] arguments) throws ReflectiveOperationException {
        if ("snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"))) {
            reseed = new Reseed();
            Core.getGlobalContext().register(reseed); // first of all: its hook runs before the function's own
        }
        AWSLambda.main(arguments);
    }
}
